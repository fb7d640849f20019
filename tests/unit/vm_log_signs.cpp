// SPDX-License-Identifier: GPL-2.0-or-later
// One table of log signs serves three readers: what is an oops for one is an oops for all.
#include "catalogue/log_signs.hpp"
#include "verdict/verdict.hpp"
#include "vm/bisect/matrix.hpp"
#include "vm/board/control.hpp"

#include <gmock/gmock.h>

namespace dmarace::vm {
namespace {

using catalogue::FailureKind;

std::vector<FailureKind> judged(const std::string& message) {
    verdict::Observed observed;
    observed.log.push_back({.ts = 1, .level = 1, .text = message, .device = ""});
    std::vector<FailureKind> kinds;
    for (const auto& failure : verdict::judge({}, {}, {}, observed).failures)
        kinds.push_back(failure.kind);
    return kinds;
}

// The evidence of a boot that went off begins with the line.
bool is_evidence(const std::string& line) {
    const auto lines = trouble("[    1.000000] booted\n" + line + "\n[    9.000000] x\n", 10);
    return lines.front() == line;
}

bool is_complaint(const std::string& line) {
    MatrixPart part;
    part.quiet = true;
    return judge(part, {}, {0, "", "[    1.000000] booted\n" + line + "\n"}).came ==
           PartEnd::failed;
}

TEST(LogSigns, AnOopsIsOneForTheVerdictTheConsoleAndTheMatrix) {
    for (const std::string message : {
             "Unable to handle kernel paging request at virtual address dead000000000122",
             "Internal error: Oops: 0000000096000004 [#1] SMP",
             "kernel BUG at lib/list_debug.c:59!",
             "BUG: kernel NULL pointer dereference, address: 0000000000000000",
             "BUG: unable to handle page fault for address: ffffc90000000000",
             "Oops: general protection fault, probably for non-canonical address",
             "general protection fault: 0000 [#1] PREEMPT SMP",
             "Oops - load access fault [#1]",
             "Kernel panic - not syncing: Fatal exception",
         }) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_oops)) << message;
        for (const std::string stamp : {"[    2.000000] ", "[    2.000000][   T42] ", ""}) {
            EXPECT_TRUE(is_evidence(stamp + message)) << stamp + message;
            EXPECT_TRUE(is_complaint(stamp + message)) << stamp + message;
        }
    }
}

TEST(LogSigns, AStallMayEndABoot) {
    for (const std::string message : {"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
                                      "rcu: INFO: rcu_preempt self-detected stall on CPU",
                                      "INFO: task bash:100 blocked for more than 120 seconds."}) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_warning));
        EXPECT_TRUE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("[    2.000000] " + message)) << message;
    }
}

TEST(LogSigns, AWarningIsAComplaintAndEndsNoBoot) {
    for (const std::string message :
         {"WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:2362 f+0x1/0x2",
          "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"}) {
        EXPECT_THAT(judged(message), testing::ElementsAre(FailureKind::kernel_warning)) << message;
        EXPECT_FALSE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("[    2.000000] " + message)) << message;
        EXPECT_TRUE(is_complaint("a program's words[    2.000000] " + message)) << message;
    }
}

TEST(LogSigns, WhatToOverlookIsNothingForAnybody) {
    for (const std::string message : {"dmarace run=1 iter=3 begin, WARNING: BUG: Oops:",
                                      "dmarace: loading out-of-tree module taints kernel.",
                                      "virtio_iommu virtio0: input address: 64 bits"}) {
        EXPECT_THAT(judged(message), testing::IsEmpty()) << message;
        EXPECT_FALSE(is_evidence("[    2.000000] " + message)) << message;
        EXPECT_FALSE(is_complaint("[    2.000000] " + message)) << message;
    }
}

} // namespace
} // namespace dmarace::vm
