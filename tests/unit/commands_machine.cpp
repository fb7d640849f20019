// SPDX-License-Identifier: GPL-2.0-or-later
// What ends a run early, and what a run says of itself. Each in a process of its own, whose signals
// and stderr nobody else wants back.
#include "commands/machine.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <csignal>

namespace dmarace::commands {
namespace {

using testing::ExitedWithCode;
using testing::HasSubstr;

constexpr int kRight = 42, kWrong = 1;

// The process ends so when all of what it looked at is right.
[[noreturn]] void end(bool right) { ::_exit(right ? kRight : kWrong); }

TEST(SignalInterrupts, AHangupEndsARunLikeATermination) {
    for (const int signal : {SIGHUP, SIGTERM, SIGINT})
        EXPECT_EXIT(
            {
                SignalInterrupts interrupts;
                const bool before = interrupts.count() == 0;
                ::raise(signal);
                end(before && interrupts.count() == 1 && interrupts.exit_code() == 130);
            },
            ExitedWithCode(kRight), "restoring the board")
            << signal;
}

TEST(SignalInterrupts, ATerminalThatGoesAwayTwiceIsGivenTheTimeToRestore) {
    EXPECT_EXIT(
        {
            SignalInterrupts interrupts;
            for (int i = 0; i < 2; ++i) {
                ::raise(SIGHUP);
                (void)interrupts.count();
            }
            end(interrupts.count() == 1);
        },
        ExitedWithCode(kRight), "");
    EXPECT_EXIT(
        {
            SignalInterrupts interrupts;
            for (int i = 0; i < 2; ++i) {
                ::raise(SIGTERM);
                (void)interrupts.count();
            }
            end(true);
        },
        ExitedWithCode(kExitInterrupted), "");
}

TEST(SignalInterrupts, NobodyWhoListensIsNoReasonToDie) {
    EXPECT_EXIT(
        {
            SignalInterrupts interrupts;
            int ends[2];
            bool right = ::pipe(ends) == 0 && ::close(ends[0]) == 0;
            right = right && ::write(ends[1], "x", 1) == -1 && errno == EPIPE;
            end(right && interrupts.count() == 0);
        },
        ExitedWithCode(kRight), "");
}

TEST(SignalInterrupts, TheEndOfTheTimeHasAnExitCodeOfItsOwn) {
    EXPECT_EXIT(
        {
            SignalInterrupts interrupts(std::chrono::nanoseconds(0));
            const bool out_of_time = interrupts.count() == 1 && interrupts.exit_code() == 124;
            ::raise(SIGTERM); // the first signal: it ends nothing at once
            end(out_of_time && interrupts.count() == 1 &&
                interrupts.why().find("--timeout") != std::string::npos);
        },
        ExitedWithCode(kRight), "out of time");
}

// A serial line of 115,200 baud takes 11 bytes in a millisecond.
TEST(TerminalProgress, IsDrawnAFewTimesInASecond) {
    EXPECT_EXIT(
        {
            const int file = ::open("/tmp", O_TMPFILE | O_RDWR, 0600);
            bool right = file >= 0 && ::dup2(file, STDERR_FILENO) == STDERR_FILENO;
            TerminalProgress progress("job", true);
            for (unsigned i = 0; i < 10'000; ++i) {
                progress.iteration(i, 10'000);
                progress.doing("settle");
                progress.judged(i, "pass", "");
            }
            struct stat state {};
            right = right && ::fstat(file, &state) == 0 && state.st_size > 0;
            end(right && state.st_size < 10'000);
        },
        ExitedWithCode(kRight), "");
}

// Whoever has a board started gives both what is known of it.
TEST(Allow, IsAWordOfRunExploreAndSweep) {
    for (const auto command : {run_run, run_explore, run_sweep}) {
        testing::internal::CaptureStderr();
        EXPECT_EQ(command({"a", "b", "--allow", "/no/such.toml"}), kExitUsage);
        EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("--allow: /no/such.toml"));
    }
}

} // namespace
} // namespace dmarace::commands
