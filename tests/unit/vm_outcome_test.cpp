// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/outcome.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kPanicLog = "[ 1.0] booted\r\n"
                                  "[ 2.0] Unable to handle kernel NULL pointer dereference\r\n"
                                  "[ 2.1] Call trace:\r\n"
                                  "[ 2.2] Kernel panic - not syncing: Oops: Fatal exception\r\n";

TEST(VmOutcome, AnExitCodeIsAnEndWhateverElseHappened) {
    Sight sight;
    sight.exit = 5;
    sight.console = kPanicLog;
    sight.stopped = End::hang;
    const auto outcome = classify(sight);
    EXPECT_EQ(outcome.end, End::ended);
    EXPECT_EQ(outcome.status, 5);
}

TEST(VmOutcome, ABoardThatWasToldToBootAgainDidNotDie) {
    Sight sight;
    sight.beaten = true;
    sight.console = "[ 9.0] sysrq: Resetting\r\n";
    EXPECT_EQ(classify(sight).end, End::rebooted);
    sight.console = "[ 9.0] reboot: Restarting system\r\n";
    EXPECT_EQ(classify(sight).end, End::rebooted);
    // What panic=-1 makes of a panic is still one.
    sight.console = kPanicLog + sight.console;
    EXPECT_EQ(classify(sight).end, End::panic);
}

TEST(VmOutcome, PanicBringsItsLines) {
    Sight sight;
    sight.console = kPanicLog;
    sight.beaten = true;
    const auto outcome = classify(sight);
    EXPECT_EQ(outcome.end, End::panic);
    EXPECT_EQ(outcome.detail, "Kernel panic - not syncing: Oops: Fatal exception");
    ASSERT_EQ(outcome.evidence.size(), 3U);
    EXPECT_EQ(outcome.evidence[0], "[ 2.0] Unable to handle kernel NULL pointer dereference");
}

TEST(VmOutcome, APanicThatHangsIsAPanic) {
    Sight sight;
    sight.console = kPanicLog;
    sight.stopped = End::hang;
    EXPECT_EQ(classify(sight).end, End::panic);
}

TEST(VmOutcome, SilenceAndLackOfTimeAreToldApart) {
    Sight sight;
    sight.stopped = End::hang;
    sight.beaten = true;
    EXPECT_EQ(classify(sight).end, End::hang);
    sight.stopped = End::timeout;
    EXPECT_EQ(classify(sight).end, End::timeout);
    sight.stopped = End::interrupted;
    EXPECT_EQ(classify(sight).end, End::interrupted);
}

TEST(VmOutcome, AGuestThatGoesOffIsNotAHostThatFails) {
    Sight sight;
    sight.beaten = true;
    sight.console = "[ 1.0] booted\n";
    EXPECT_EQ(classify(sight).end, End::died);
    sight.qemu_status = 137;
    EXPECT_EQ(classify(sight).end, End::qemu_failed);
    EXPECT_THAT(classify(sight).detail, HasSubstr("137"));
}

TEST(VmOutcome, InitAndQemuSayThemselvesWhyTheyCannot) {
    Sight sight;
    sight.console = "[1.0] x\ndmarace-init: cannot start: CONFIG_9P_FS\n";
    const auto no_start = classify(sight);
    EXPECT_EQ(no_start.end, End::no_start);
    EXPECT_EQ(no_start.detail, "CONFIG_9P_FS");

    Sight refused;
    refused.qemu_status = 1;
    refused.qemu_errors = "qemu-system-aarch64: -device foo: no such device";
    EXPECT_EQ(classify(refused).end, End::no_qemu);
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

} // namespace
