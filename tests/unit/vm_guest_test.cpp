// SPDX-License-Identifier: GPL-2.0-or-later
// How a boot ends, with a script in QEMU's place.
#include "vm/kernels/cache.hpp"
#include "vm/kernels/temporary.hpp"
#include "vm/watch/guest.hpp"

#include <gtest/gtest.h>

namespace dmarace::vm {
namespace {

class GuestEnd : public testing::Test {
protected:
    TemporaryDirectory dir_ = *TemporaryDirectory::make();

    // A guest that tells its exit code, and switches itself off so many seconds later:
    // less than the 4 s that one with a disk gets.
    Result<Outcome> boot(bool keeps_disk, const std::string& later) {
        const auto share = dir_.path().string();
        const std::string script = "cd " + share + " && echo '7 1.5' > .vm/exit && sleep " + later +
                                   " && echo off > switched";
        return run_guest({"/bin/sh", "-c", script}, {.share = dir_.path(),
                                                     .console = dir_.path() / "console.log",
                                                     .keeps_disk = keeps_disk});
    }
    bool switched_itself_off() const { return std::filesystem::exists(dir_.path() / "switched"); }
};

TEST_F(GuestEnd, comes_with_the_exit_code_where_nothing_is_kept) {
    const auto outcome = boot(false, "3");
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, End::ended);
    EXPECT_EQ(outcome->status, 7);
    EXPECT_DOUBLE_EQ(outcome->program_seconds, 1.5);
    EXPECT_FALSE(switched_itself_off());
}

TEST_F(GuestEnd, waits_for_a_guest_that_keeps_a_disk) {
    const auto outcome = boot(true, "1");
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, End::ended);
    EXPECT_EQ(outcome->status, 7);
    EXPECT_TRUE(switched_itself_off());
}

} // namespace
} // namespace dmarace::vm
