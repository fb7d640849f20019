// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/matrix/judgement.hpp"

#include <gmock/gmock.h>

namespace dmarace::vm {
namespace {

using testing::HasSubstr;

struct Judgement : testing::Test {
    Part part;
    Cell cell;
    static constexpr const char* kGood = "pci/0000:00:02.0 driver e1000e\n";

    Judgement() {
        part.quiet = true;
        part.expect = {"driver e1000e"};
    }

    PartResult of(int status, std::string_view output, std::string_view console = "") {
        return judge(part, cell, {status, output, console});
    }
};

TEST_F(Judgement, passes_what_ended_well_and_said_what_it_had_to) {
    EXPECT_EQ(of(0, kGood, "[ 1.0] Booting\n").came, Came::passed);
}

TEST_F(Judgement, fails_what_ended_well_and_said_nothing) {
    const auto outcome = of(0, "nothing to audit\n");
    EXPECT_EQ(outcome.came, Came::failed);
    EXPECT_THAT(outcome.why, HasSubstr("driver e1000e"));
}

TEST_F(Judgement, fails_a_kernel_that_complained_and_shows_its_line) {
    const auto outcome = of(0, kGood, "[ 1.0] a\n[ 2.0] WARNING: CPU: 0\n[ 3.0] b\n");
    EXPECT_EQ(outcome.came, Came::failed);
    EXPECT_EQ(outcome.why, "console: [ 2.0] WARNING: CPU: 0");
}

TEST_F(Judgement, lets_a_kernel_complain_where_the_part_need_not_be_quiet) {
    part.quiet = false;
    EXPECT_EQ(of(0, kGood, "WARNING: x\n").came, Came::passed);
}

TEST_F(Judgement, gives_the_last_line_of_a_skip_and_of_a_failure) {
    EXPECT_EQ(of(4, "a\nthe board lacks x\n\n").why, "the board lacks x");
    EXPECT_EQ(of(3, "").why, "exit 3: ");
    EXPECT_EQ(of(1, "one line").why, "exit 1: one line");
}

TEST(MatrixExit, is_red_for_one_failure_and_green_only_if_something_passed) {
    const PartResult passed{Came::passed, ""}, failed{Came::failed, ""}, skipped{Came::skipped, ""};
    EXPECT_EQ(exit_code(std::vector{passed, skipped}), 0);
    EXPECT_EQ(exit_code(std::vector{passed, failed, skipped}), 1);
    EXPECT_EQ(exit_code(std::vector{skipped, skipped}), 4);
    EXPECT_EQ(exit_code({}), 4);
}

} // namespace
} // namespace dmarace::vm
