// SPDX-License-Identifier: GPL-2.0-or-later
// How a boot ends.
#include "vm/kernels/cache.hpp"
#include "vm_script_board.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kPanicLog = "[ 1.0] booted\r\n"
                                  "[ 2.0] Unable to handle kernel NULL pointer dereference\r\n"
                                  "[ 2.1] Call trace:\r\n"
                                  "[ 2.2] Kernel panic - not syncing: Oops: Fatal exception\r\n";

TEST(VmOutcome, AnExitCodeIsAnEndWhateverElseHappened) {
    BootTraces traces;
    traces.exit = 5;
    traces.console = kPanicLog;
    traces.stopped = BootEnd::hang;
    const auto outcome = classify(traces);
    EXPECT_EQ(outcome.end, BootEnd::ended);
    EXPECT_EQ(outcome.status, 5);
}

TEST(VmOutcome, ABoardThatWasToldToBootAgainDidNotDie) {
    BootTraces traces;
    traces.beaten = true;
    traces.console = "[ 9.0] sysrq: Resetting\r\n";
    EXPECT_EQ(classify(traces).end, BootEnd::rebooted);
    traces.console = "[ 9.0] reboot: Restarting system\r\n";
    EXPECT_EQ(classify(traces).end, BootEnd::rebooted);
    // What panic=-1 makes of a panic is still one.
    traces.console = kPanicLog + traces.console;
    EXPECT_EQ(classify(traces).end, BootEnd::panic);
}

TEST(VmOutcome, PanicBringsItsLines) {
    BootTraces traces;
    traces.console = kPanicLog;
    traces.beaten = true;
    const auto outcome = classify(traces);
    EXPECT_EQ(outcome.end, BootEnd::panic);
    EXPECT_EQ(outcome.detail, "Kernel panic - not syncing: Oops: Fatal exception");
    ASSERT_EQ(outcome.evidence.size(), 3U);
    EXPECT_EQ(outcome.evidence[0], "[ 2.0] Unable to handle kernel NULL pointer dereference");
}

TEST(VmOutcome, APanicThatHangsIsAPanic) {
    BootTraces traces;
    traces.console = kPanicLog;
    traces.stopped = BootEnd::hang;
    EXPECT_EQ(classify(traces).end, BootEnd::panic);
}

TEST(VmOutcome, SilenceAndLackOfTimeAreToldApart) {
    BootTraces traces;
    traces.stopped = BootEnd::hang;
    traces.beaten = true;
    EXPECT_EQ(classify(traces).end, BootEnd::hang);
    traces.stopped = BootEnd::timeout;
    EXPECT_EQ(classify(traces).end, BootEnd::timeout);
    traces.stopped = BootEnd::interrupted;
    EXPECT_EQ(classify(traces).end, BootEnd::interrupted);
}

TEST(VmOutcome, AGuestThatGoesOffIsNotAHostThatFails) {
    BootTraces traces;
    traces.beaten = true;
    traces.console = "[ 1.0] booted\n";
    EXPECT_EQ(classify(traces).end, BootEnd::died);
    traces.status = 137;
    EXPECT_EQ(classify(traces).end, BootEnd::qemu_failed);
    EXPECT_THAT(classify(traces).detail, HasSubstr("137"));
}

TEST(VmOutcome, InitAndQemuSayThemselvesWhyTheyCannot) {
    BootTraces traces;
    traces.console = "[1.0] x\ndmarace-init: cannot start: CONFIG_9P_FS\n";
    const auto no_start = classify(traces);
    EXPECT_EQ(no_start.end, BootEnd::no_start);
    EXPECT_EQ(no_start.detail, "CONFIG_9P_FS");

    BootTraces refused;
    refused.status = 1;
    refused.complaint = "qemu-system-aarch64: -device foo: no such device";
    EXPECT_EQ(classify(refused).end, BootEnd::no_qemu);
    EXPECT_THAT(classify(refused).detail, HasSubstr("-device foo"));
}

TEST(VmOutcome, TroubleIsBoundedAndFallsBackToTheLastLines) {
    EXPECT_THAT(trouble("a\nb\nc\nd\n", 6), ElementsAre("c", "d"));
    EXPECT_THAT(trouble("", 6), testing::IsEmpty());
    std::string log = "kernel BUG at x.c:1!\n";
    for (int i = 0; i < 100; ++i)
        log += "line\n";
    const auto lines = trouble(log, 10);
    EXPECT_EQ(lines.size(), 10U);
    EXPECT_EQ(lines[0], "kernel BUG at x.c:1!");
}

class GuestEnd : public testing::Test {
protected:
    TemporaryDirectory dir_ = *TemporaryDirectory::make();

    // A guest that tells its exit code, and switches itself off so many seconds later:
    // less than the 4 s that one with a disk gets.
    Result<BootOutcome> boot(bool keeps_disk, const std::string& later) {
        ScriptBoard machine(
            dir_.path(), {"echo '7 1.5' > .vm/exit && sleep " + later + " && echo off > switched"});
        return run_boot(machine, {}, {.keeps_disk = keeps_disk});
    }
    bool switched_itself_off() const { return std::filesystem::exists(dir_.path() / "switched"); }
};

TEST_F(GuestEnd, comes_with_the_exit_code_where_nothing_is_kept) {
    const auto outcome = boot(false, "3");
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, BootEnd::ended);
    EXPECT_EQ(outcome->status, 7);
    EXPECT_DOUBLE_EQ(outcome->program_seconds, 1.5);
    EXPECT_FALSE(switched_itself_off());
}

TEST_F(GuestEnd, waits_for_a_guest_that_keeps_a_disk) {
    const auto outcome = boot(true, "1");
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, BootEnd::ended);
    EXPECT_EQ(outcome->status, 7);
    EXPECT_TRUE(switched_itself_off());
}

// What a guest prints comes out while it runs, and a line in whose middle it died is ended:
// what follows is no part of it.
TEST_F(GuestEnd, hands_the_output_on_and_says_where_it_was_cut_off) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_NONBLOCK), 0);
    ScriptBoard machine(dir_.path(), {"sleep 0.1; printf one > .vm/stdout; sleep 0.1; "
                                      "printf ' two' >> .vm/stdout; touch .vm/stderr"});
    const auto outcome = run_boot(machine, {}, {.out = ends[1], .err = ends[1]});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, BootEnd::died);
    std::array<char, 64> text{};
    EXPECT_EQ(read(ends[0], text.data(), text.size()), 18);
    EXPECT_STREQ(text.data(), "one two [cut off]\n");
    close(ends[0]);
    close(ends[1]);
}

TEST_F(GuestEnd, is_a_hang_where_nothing_beats_any_more) {
    ScriptBoard machine(dir_.path(), {"echo 1 > .vm/beat; exec sleep 60"});
    const auto outcome = run_boot(machine, {}, {.beat = std::chrono::seconds(1)});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->end, BootEnd::hang);
}

} // namespace
