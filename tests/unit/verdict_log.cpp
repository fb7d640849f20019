// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct LogCase {
    std::string text;
    std::string kind; // "kind device", "" for a line that means nothing
};

class VerdictLog : public ::testing::TestWithParam<LogCase> {};

TEST_P(VerdictLog, Judged) {
    Scene scene;
    scene.logged(GetParam().text);
    if (GetParam().kind.empty())
        EXPECT_THAT(kinds(scene.judged()), IsEmpty());
    else
        EXPECT_THAT(kinds(scene.judged()), ElementsAre(GetParam().kind));
}

const LogCase kLines[] = {
    {"WARNING: CPU: 0 PID: 1 at drivers/iommu/iommu.c:2362 f+0x1/0x2", "kernel-warning"},
    {"WARNING: drivers/iommu/iommu.c:654 at f+0x1/0x2, CPU#0: insmod/345", "kernel-warning"},
    {"WARNING: possible circular locking dependency detected", "kernel-warning"},
    {"WARNING: suspicious RCU usage", "kernel-warning"},
    {"BUG: KASAN: slab-use-after-free in iommu_group_store_type+0x1/0x2", "kernel-warning"},
    {"BUG: sleeping function called from invalid context at x.c:1", "kernel-warning"},
    {"watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [insmod:1]", "kernel-warning"},
    {"refcount_t: addition on 0; use-after-free.", "kernel-warning"},
    {"UBSAN: array-index-out-of-bounds in x.c:1:2", "kernel-warning"},
    {"list_del corruption. prev->next should be 1, but was 2", "kernel-warning"},
    {"INFO: task bash:100 blocked for more than 120 seconds.", "kernel-warning"},
    {"rcu: INFO: rcu_preempt self-detected stall on CPU", "kernel-warning"},
    {"rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "kernel-warning"},
    {"arm-smmu-v3 9050000.smmuv3: event 0x10 received:", ""}, // without its words: nothing
    {"arm-smmu-v3 9050000.smmuv3: event 0x10 received: 0000001000000010", "kernel-warning"},
    {"arm-smmu-v3 9050000.smmuv3: event: F_TRANSLATION client: 0000:00:02.0 sid: 0x10 ssid: 0x0",
     "kernel-warning pci/0000:00:02.0"},
    {"e1000e 0000:00:02.0: Failed to set up IOMMU for device 0000:00:02.0; retaining platform DMA "
     "ops",
     "dma-direct pci/0000:00:02.0"},
    {"sysfs: cannot create duplicate filename '/devices/pci0000:00/0000:00:02.0/iommu_group'",
     "double-probe pci/0000:00:02.0"},
    {"sysfs: cannot create duplicate filename '/class/net/eth0'", "kernel-warning"},
    {"pci 0000:00:02.0: Failed to add to iommu group 1: -17", "double-probe pci/0000:00:02.0"},
    {"pci 0000:00:02.0: Failed to add to iommu group 1: -12", "attach-failed pci/0000:00:02.0"},
    {"pci 0000:00:02.0: Failed to add to iommu group 17: -2", "attach-failed pci/0000:00:02.0"},
    {"Unable to handle kernel paging request at virtual address dead000000000122", "kernel-oops"},
    {"Internal error: Oops: 0000000096000004 [#1] SMP", "kernel-oops"},
    {"kernel BUG at lib/list_debug.c:59!", "kernel-oops"},
    {"BUG: kernel NULL pointer dereference, address: 0000000000000000", "kernel-oops"},
    {"Oops: general protection fault, probably for non-canonical address", "kernel-oops"},
    {"Kernel panic - not syncing: Fatal exception", "kernel-oops"},
    // what must not count
    {"dmarace: loading out-of-tree module taints kernel.", ""},
    {"dmarace: module verification failed: signature and/or required key missing - tainting", ""},
    {"dmarace run=1 iter=3 begin, WARNING: BUG: Oops:", ""},
    {"systemd[1]: WARNING: something of its own", ""},
    {"usbcore: DEBUG: all is well", ""},
    {"pci 0000:00:02.0: Adding to iommu group 1", ""},
    {"e1000e 0000:00:02.0 eth0: Link is Up, no errors", ""},
    {"nvme nvme0: event 0x10 handled", ""},
    {"random: crng init done; PREWARNING: x", ""},
};

INSTANTIATE_TEST_SUITE_P(Lines, VerdictLog, ::testing::ValuesIn(kLines));

TEST(VerdictLogReport, AWarnIsToldByItsMessage) {
    Scene scene;
    scene.logged("------------[ cut here ]------------");
    scene.logged("pci 0000:00:02.0: late IOMMU probe at driver bind, something fishy here!");
    scene.logged("WARNING: CPU: 0 PID: 9 at drivers/iommu/iommu.c:654 f+0x1/0x2");
    scene.logged("Modules linked in: virtio_iommu");
    const auto failures = scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].device, kClient);
    EXPECT_EQ(failures[0].driver, "e1000e");
    EXPECT_THAT(failures[0].detail, HasSubstr("late IOMMU probe"));
    EXPECT_THAT(failures[0].evidence,
                ElementsAre(HasSubstr("late IOMMU probe"), HasSubstr("iommu.c:654")));
    EXPECT_THAT(failures[0].evidence[0], HasSubstr("[   12.345678] pci"));
}

TEST(VerdictLogReport, AMessageBelowItsHeadIsFoundToo) {
    Scene scene;
    scene.logged("------------[ cut here ]------------");
    scene.logged("WARNING: drivers/iommu/iommu.c:654 at f+0x1/0x2, CPU#0: insmod/345");
    scene.logged("pci 0000:00:02.0: late IOMMU probe at driver bind, something fishy here!");
    scene.logged("Modules linked in: virtio_iommu");
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("kernel-warning " + kClient));
}

TEST(VerdictLogReport, AWarnOnWithoutMessageTakesNoNeighbour) {
    Scene scene;
    scene.logged("pci 0000:00:02.0: Adding to iommu group 1");
    scene.logged("------------[ cut here ]------------");
    scene.logged("WARNING: CPU: 0 PID: 9 at drivers/iommu/iommu.c:3157 f+0x1/0x2");
    scene.logged("Modules linked in: virtio_iommu");
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("kernel-warning"));
}

TEST(VerdictLogReport, AnEmptyMessageIsNone) {
    Scene scene;
    scene.logged("------------[ cut here ]------------");
    scene.logged("WARNING: drivers/iommu/iommu.c:654 at f+0x1/0x2, CPU#0: insmod/345");
    scene.logged("");
    const auto failures = scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_THAT(failures[0].detail, HasSubstr("iommu.c:654"));
}

TEST(VerdictLogReport, DeviceOfTheRecordIsUsed) {
    Scene scene;
    scene.logged("refcount_t: underflow; use-after-free.", "platform/9050000.smmuv3");
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("kernel-warning platform/9050000.smmuv3"));
}

TEST(VerdictLogReport, EvidenceStaysAHandful) {
    Scene scene;
    for (int i = 0; i < 100; ++i)
        scene.logged("refcount_t: underflow " + std::to_string(i));
    const auto failures = scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].evidence.size(), 6U);
}

TEST(VerdictTaint, ABitThatTheLogDoesNotTell) {
    Scene scene;
    scene.observed.taint_before = 1U << 12;
    scene.observed.taint_after = 1U << 12 | 1U << 13;
    EXPECT_THAT(kinds(scene.judged()), IsEmpty());
    scene.observed.taint_after |= 1U << 9;
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("kernel-warning"));
    scene.observed.taint_before |= 1U << 9;
    EXPECT_THAT(kinds(scene.judged()), IsEmpty());
    scene.observed.taint_after |= 1U << 7;
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("kernel-oops"));
}

} // namespace dmarace::verdict::testing
