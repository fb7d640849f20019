// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/matrix.hpp"
#include "vm/board/board.hpp"
#include "vm/kernels/cache.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::Contains;
using testing::HasSubstr;

constexpr const char* kGood = R"([[part]]
name = "p"
summary = "s"
command = ["audit"]
[[cell]]
kernel = "debian:1"
board = "b"
parts = ["p"]
ci = ["p"]
note = "n"
)";

std::string error_of(const std::string& what, const std::string& with) {
    std::string text = kGood;
    text.replace(text.find(what), what.size(), with);
    const auto matrix = parse_matrix(text, "m.toml");
    return matrix ? "no error" : matrix.error().message;
}

TEST(VmMatrix, ReadsPartsAndCells) {
    const auto matrix = parse_matrix(kGood, "m.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    ASSERT_TRUE(matrix->part("p"));
    EXPECT_EQ(matrix->cells.at(0).board, "b");
    EXPECT_EQ(support_table(*matrix), "| kernel | board | parts | remarks |\n|---|---|---|---|\n"
                                      "| `debian:1` | `b` | p* | n |\n"
                                      "\n| part | is |\n|---|---|\n| p | s |\n");
}

TEST(VmMatrix, MistakesAreToldWithTheirPlace) {
    EXPECT_THAT(error_of("parts = [\"p\"]", "parts = [\"q\"]"), HasSubstr("m.toml:5:"));
    EXPECT_THAT(error_of("parts = [\"p\"]", "parts = []"), HasSubstr("in ci and not in parts"));
    EXPECT_THAT(error_of("note", "notes"), HasSubstr("unknown key 'notes'"));
    EXPECT_THAT(error_of("command = [\"audit\"]", ""), HasSubstr("'command' is missing"));
}

// A boot that shows nothing is no quiet boot.
TEST(VmMatrix, TheQuietPartHasToShowWhatItsBoardHas) {
    std::string text = kGood;
    text.replace(text.find("name = \"p\""), 10, "name = \"quiet\"\nexpect = [\"all\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    text.replace(text.find("[\"p\"]"), 5, "[\"quiet\"]");
    const auto matrix = parse_matrix(text + "expect = [\"own\"]\n", "m.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    EXPECT_EQ(expected(matrix->parts.at(0), matrix->cells.at(0)),
              (std::vector<std::string>{"all", "own"}));
}

TEST(VmMatrix, CellsAreSelectedByKernelAndBoard) {
    const auto matrix = parse_matrix(kGood, "m.toml");
    EXPECT_EQ(select_cells(*matrix, "", "").size(), 1U);
    EXPECT_EQ(select_cells(*matrix, "debian:1", "b").size(), 1U);
    EXPECT_TRUE(select_cells(*matrix, "debian:2", "").empty());
    EXPECT_TRUE(select_cells(*matrix, "", "c").empty());
}

TEST(VmMatrix, TheShippedOneNamesBoardsThatAreThereAndFitItsKernels) {
    const auto matrix = read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    ASSERT_TRUE(matrix) << matrix.error().message;
    for (const MatrixCell& cell : matrix->cells) {
        const auto board = find_board(cell.board, DMARACE_SOURCE_DIR "/vm/boards");
        ASSERT_TRUE(board) << cell.board;
        EXPECT_EQ(cell.kernel.ends_with("/amd64"), board->architecture->name == "amd64")
            << cell.kernel << " on " << cell.board;
    }
}

TEST(VmMatrix, TheTableInTheDocumentationIsCurrent) {
    const auto matrix = read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    const auto page = read_text(DMARACE_SOURCE_DIR "/docs/support.md");
    ASSERT_TRUE(matrix);
    ASSERT_TRUE(page);
    EXPECT_THAT(*page, HasSubstr(support_table(*matrix)))
        << "dmarace-vm matrix --table prints what belongs there";
}

struct Judgement : testing::Test {
    MatrixPart part;
    MatrixCell cell;
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
    EXPECT_EQ(of(0, kGood, "[ 1.0] Booting\n").came, PartEnd::passed);
}

TEST_F(Judgement, fails_what_ended_well_and_said_nothing) {
    const auto outcome = of(0, "nothing to audit\n");
    EXPECT_EQ(outcome.came, PartEnd::failed);
    EXPECT_THAT(outcome.why, HasSubstr("driver e1000e"));
}

TEST_F(Judgement, fails_a_kernel_that_complained_and_shows_its_line) {
    const auto outcome = of(0, kGood, "[ 1.0] a\n[ 2.0] WARNING: CPU: 0\n[ 3.0] b\n");
    EXPECT_EQ(outcome.came, PartEnd::failed);
    EXPECT_EQ(outcome.why, "console: [ 2.0] WARNING: CPU: 0");
}

TEST_F(Judgement, lets_a_kernel_complain_where_the_part_need_not_be_quiet) {
    part.quiet = false;
    EXPECT_EQ(of(0, kGood, "WARNING: x\n").came, PartEnd::passed);
}

TEST_F(Judgement, gives_the_last_line_of_a_skip_and_of_a_failure) {
    EXPECT_EQ(of(4, "a\nthe board lacks x\n\n").why, "the board lacks x");
    EXPECT_EQ(of(3, "").why, "exit 3: ");
    EXPECT_EQ(of(1, "one line").why, "exit 1: one line");
}

TEST(MatrixExit, is_red_for_one_failure_and_green_only_if_something_passed) {
    const PartResult passed{PartEnd::passed, ""}, failed{PartEnd::failed, ""},
        skipped{PartEnd::skipped, ""};
    EXPECT_EQ(exit_code(std::vector{passed, skipped}), 0);
    EXPECT_EQ(exit_code(std::vector{passed, failed, skipped}), 1);
    EXPECT_EQ(exit_code(std::vector{skipped, skipped}), 4);
    EXPECT_EQ(exit_code({}), 4);
}

} // namespace
