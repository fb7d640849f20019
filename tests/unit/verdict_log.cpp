// SPDX-License-Identifier: GPL-2.0-or-later
// What each line of a kernel log means to an iteration.
#include "base/text.hpp"
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LogCase {
    std::string text;
    std::string kind; // "kind device", "note", "" for a line that means nothing
};

class VerdictLog : public ::testing::TestWithParam<LogCase> {};

TEST_P(VerdictLog, Judged) {
    const auto judgement = Scene().logged(GetParam().text).judged();
    const bool noted = !judgement.notes.empty();
    EXPECT_EQ(joined(kinds(judgement), "\n") + (noted ? "note" : ""), GetParam().kind);
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
    {"arm-smmu-v3 9050000.smmuv3: event 0x10 received:", "kernel-warning"},
    {"arm-smmu-v3 9050000.smmuv3: event: F_TRANSLATION client: 0000:00:02.0 sid: 0x10 ssid: 0x0",
     "kernel-warning pci/0000:00:02.0"},
    {"e1000e 0000:00:02.0: Failed to set up IOMMU for device 0000:00:02.0; retaining platform DMA "
     "ops",
     "dma-direct pci/0000:00:02.0"},
    {"sysfs: cannot create duplicate filename '/devices/pci0000:00/0000:00:02.0/iommu_group'",
     "double-probe pci/0000:00:02.0"},
    {"sysfs: cannot create duplicate filename '/class/net/eth0'", "kernel-warning"},
    {"sysfs: cannot create duplicate filename '/devices/pci0000:00/0000:00:01.0/virtio1/iommu/"
     "0000:00:01.0/devices/0000:00:02.0'",
     "double-probe pci/0000:00:02.0"},
    {"sysfs: cannot create duplicate filename '/devices/pci0000:00/0000:00:02.0/0000:00:03.0/"
     "iommu_group'",
     "double-probe pci/0000:00:03.0"},
    {"pci 0000:00:03.0: Failed to add to iommu group 1: -12, as 0000:00:02.0",
     "attach-failed pci/0000:00:03.0"},
    {"pci 0000:00:02.0: Failed to add to iommu group 1: -17", "double-probe pci/0000:00:02.0"},
    {"pci 0000:00:02.0: Failed to add to iommu group 1: -12", "attach-failed pci/0000:00:02.0"},
    {"pci 0000:00:02.0: Failed to add to iommu group 17: -2", "attach-failed pci/0000:00:02.0"},
    {"Unable to handle kernel paging request at virtual address dead000000000122", "kernel-oops"},
    {"Internal error: Oops: 0000000096000004 [#1] SMP", "kernel-oops"},
    {"double fault: 0000 [#1] PREEMPT SMP", "kernel-oops"},
    {"mmc0: Internal error: the card's own", ""},
    {"arm-smmu-v3 9050000.smmuv3: no gerr irq - errors will not be reported!", "note"},
    {"arm-smmu-v3-pmcg arm-smmu-v3-pmcg.12.auto: probe with driver arm-smmu-v3-pmcg failed with "
     "error -22",
     "note"},
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

// What the drivers of IOMMUs say: kFault is "kernel-warning", and nothing else.
const std::string kFault = "kernel-warning", kNote = "note";

const LogCase kIommuLines[] = {
    // SMMUv2
    {"arm-smmu 5000000.iommu: Blocked unknown Stream ID 0x429; boot with "
     "\"arm-smmu.disable_bypass=0\" to allow, but this may have security implications",
     kFault},
    {"arm-smmu 64000000.mmu: Unexpected global fault, this could be serious", kFault},
    {"arm-smmu 5000000.iommu: Unhandled context fault: fsr=0x402, iova=0xff000000, fsynr=0x300003, "
     "cbfrsynra=0x409, cb=10",
     kFault},
    {"arm-smmu 15000000.iommu: TLB sync timed out -- SMMU may be deadlocked", kFault},
    {"arm-smmu 15000000.iommu: iova to phys timed out on 0x1000. Falling back to software table "
     "walk.",
     kFault},
    {"arm-smmu 15000000.iommu: error -ENXIO: IRQ index 3 not found", kNote},
    {"arm-smmu 15000000.iommu: \tstream matching with 96 register groups", ""},
    {"arm-smmu 15000000.iommu: probing hardware configuration...", ""},
    // SMMUv3
    {"arm-smmu-v3 9050000.smmuv3: event 0x02 received:", kFault},
    {"arm-smmu-v3 9050000.smmuv3: \t0x0000080000000002", ""},
    {"arm-smmu-v3 9050000.smmuv3: event: C_BAD_STREAMID client: (unassigned sid) sid: 0x800 "
     "ssid: 0x0",
     kFault},
    {"arm-smmu-v3 9050000.smmuv3: CMD_SYNC timeout at 0x00000123 [hwprod 0x00000124, hwcons "
     "0x00000100]",
     kFault},
    {"arm-smmu-v3 9050000.smmuv3: CMDQ timeout", kFault},
    {"arm-smmu-v3 9050000.smmuv3: CMDQ error (cons 0x03000004): Abort on command fetch", kFault},
    {"arm-smmu-v3 9050000.smmuv3: unexpected global error reported (0x00000001), this could be "
     "serious",
     kFault},
    {"arm-smmu-v3 9050000.smmuv3: EVTQ overflow detected -- events lost", kFault},
    {"arm-smmu-v3 9050000.smmuv3: PRIQ write aborted -- events may have been lost", kFault},
    {"arm-smmu-v3 9050000.smmuv3: device has entered Service Failure Mode!", kFault},
    {"arm-smmu-v3 9050000.smmuv3: GBPA not responding to update", kFault},
    {"arm-smmu-v3 9050000.smmuv3: Aliasing StreamID 0x10 (from 0000:00:02.0) unsupported, expect "
     "DMA to be broken",
     kFault + " " + kClient},
    {"arm-smmu-v3 9050000.smmuv3: failed to enable command queue", kNote},
    {"arm-smmu-v3 9050000.smmuv3: SMMU currently enabled! Resetting...", ""},
    {"arm-smmu-v3 9050000.smmuv3: allocated 65536 entries for cmdq", ""},
    {"arm-smmu-v3 9050000.smmuv3: msi_domain absent - falling back to wired irqs", ""},
    // virtio-iommu
    {"virtio_iommu virtio0: unknown fault from EP 16 at 0x1000 []", kFault},
    {"virtio_iommu virtio0: domain fault from EP 16 at 0x1000 [Read]", kFault},
    {"virtio_iommu virtio0: page fault from EP 16", kFault},
    {"virtio_iommu virtio0: probe with driver virtio_iommu failed with error -12", kNote},
    {"virtio_iommu virtio0: input address: 64 bits", ""},
    // Intel
    {"DMAR: DRHD: handling fault status reg 3", kFault},
    {"DMAR: [DMA Write] Request device [02:00.0] PASID ffffffff fault addr fffe0000 [fault reason "
     "02] Present bit in context entry is clear",
     kFault},
    {"DMAR: [DMA Read NO_PASID] Request device [0000:03:00.0] fault addr 0x1000 [fault reason "
     "0x06] PTE Read access is not set",
     kFault},
    {"DMAR: [INTR-REMAP] Request device [03:00.0] fault index 0x24 [fault reason 0x22] Present "
     "field in the IRTE entry is clear",
     kFault},
    {"DMAR: VT-d detected Invalidation Time-out Error: SID 0", kFault},
    {"DMAR: VT-d detected Invalidation Queue Error: Reason f", kFault},
    {"DMAR: ERROR: DMA PTE for vPFN 0x2d200 already set (to 2d200003 not 2d200003)", kFault},
    {"DMAR: Setting identity map for device 0000:00:1a.0 [0x7a000000 - 0x7a00ffff]", ""},
    {"DMAR: Host address width 39", ""},
    {"DMAR-IR: Enabled IRQ remapping in x2apic mode", ""},
    // AMD
    {"AMD-Vi: Completion-Wait loop timed out", kFault},
    {"AMD-Vi: IOMMU 0000:00:00.2: Completion-Wait loop timed out", kFault},
    {"AMD-Vi: Command buffer timeout", kFault},
    {"nvme 0000:00:02.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0xff000000 "
     "flags=0x0020]",
     kFault + " " + kClient},
    {"iommu ivhd0: AMD-Vi: Event logged [ILLEGAL_DEV_TABLE_ENTRY device=0000:00:02.0 pasid=0x00000 "
     "address=0xfffffffdf8000000 flags=0x0a00]",
     kFault + " " + kClient},
    {"iommu ivhd0: AMD-Vi: Event logged [COMMAND_HARDWARE_ERROR address=0x100200000 flags=0x0000]",
     kFault},
    {"iommu ivhd0: AMD-Vi: Event logged [INVALID_DEVICE_REQUEST device=0000:00:02.0 pasid=0x00000 "
     "address=0x0 flags=0x0a00]",
     kFault + " " + kClient},
    {"AMD-Vi: Event logged [Device not attached to domain properly]", kFault},
    {"AMD-Vi: Interrupt remapping enabled", ""},
    {"pci 0000:00:00.2: AMD-Vi: Found IOMMU cap 0x40", ""},
    // of SoCs
    {"rk_iommu ff930300.iommu: Page fault at 0x024ad000 of type read", kFault},
    {"rk_iommu ff930300.iommu: BUS_ERROR occurred at 0x024ad000", kFault},
    {"rk_iommu ff930300.iommu: Enable stall request timed out, status: 0x00004b", kFault},
    {"rk_iommu ff930300.iommu: probe with driver rk_iommu failed with error -2", kNote},
    {"rk_iommu: probe of ff930300.iommu failed with error -2", kNote},
    {"mtk-iommu 10205000.iommu: fault type=0x280 iova=0x1000 pa=0x0 master=0x5(larb=0 port=5) "
     "layer=0 read",
     kFault},
    {"mtk-iommu 10205000.iommu: Partial TLB flush timed out, falling back to full flush", kFault},
    {"mtk-iommu 10205000.iommu: bound 14021000.larb (ops 0xffff800008d2f0a8)", ""},
    {"exynos-sysmmu 11200000.sysmmu: 11200000.video-codec: [READ] PAGE FAULT occurred at "
     "0x20000000",
     kFault},
    {"tegra-mc 70019000.memory-controller: display0a: read @0xfe056b40: EMEM address decode error "
     "(SMMU translation error [--S])",
     kFault},
    {"apple-dart 502480000.iommu: translation fault: status:0x80000004 stream:0 code:0x4 "
     "(PTE_NOT_PRESENT) at 0x1000",
     kFault},
    {"apple-dart 502480000.iommu: busy bit did not clear after command 100000 for streams 1",
     kFault},
    {"apple-dart 502480000.iommu: DART [pagesize 4000, 16 streams, bypass support: 1, bypass "
     "forced: 0] initialized",
     ""},
    {"sun50i-iommu 30f0000.iommu: Page fault for 0x1000 (VE, 3)", kFault},
    {"sun50i-iommu 30f0000.iommu: TLB Flush timed out!", kFault},
    {"omap-iommu 40d01000.mmu: 40d01000.mmu: errs:0x00000002 da:0x4 pgd:0x(ptrval) *pgd:px0",
     kFault},
    {"omap-iommu 40d01000.mmu: iommu fault: da 0x0 flags 0x0", kFault},
    {"omap-iommu 40d01000.mmu: 40d01000.mmu registered", ""},
    {"ipmmu-vmsa e67b0000.iommu: Unhandled fault: status 0x00000001 iova 0x1000", kFault},
    {"ipmmu-vmsa e67b0000.iommu: Page Table Walk Abort @0x1000", kFault},
    {"riscv,iommu 3010000.iommu: Fault 12 devid: 0x10 iotval: 1000 iotval2: 0", kFault},
    {"riscv,iommu 3010000.iommu: Hardware error: command execution timeout", kFault},
    {"riscv,iommu 3010000.iommu: Queue #0 error; fault:0 timeout:1 illegal:0 fence_w_ip:0", kFault},
    {"qcom-iommu-ctx 1e20000.iommu-ctx: Unhandled context fault: fsr=0x2, iova=0x1000, fsynr=0x0, "
     "cb=1",
     kFault},
    {"zpci: 0001:00:00.0: Event 0x10 reports an error for PCI function 0x31", kFault},
    // the core of IOMMUs and of drivers
    {"Failed to set up IOMMU for device (null); retaining platform DMA ops", "dma-direct"},
    {"Failed to set up IOMMU for device e6800000.ethernet; retaining platform DMA ops",
     "dma-direct"},
    {"nvme 0000:00:02.0: Failed to add to iommu group 1: -17", "double-probe " + kClient},
    {"pci 0000:81:00.2: Failed to add to iommu group 52: -16", "attach-failed"},
    {"pci 10000:80:01.0: Failed to add to iommu group 42: -16", "attach-failed"},
    {"pci 0000:06:00.0: Failed to add to iommu group 23: -1", "attach-failed"},
    {"nvme 0000:9c:00.0: cannot attach to incompatible domain (0 SSID bits != 20)", kNote},
    {"nvme 0000:9c:00.0: cannot attach to SMMU 9050000.smmuv3 (upstream of 9060000.smmuv3)", kNote},
    {"vfio-pci 0000:06:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, "
     "rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
     kNote},
    {"pci 0000:00:06.0: deferred probe pending: (reason unknown)", kNote},
    {"e1000e 0000:00:04.0: Device cannot be in identity domain", kNote},
    {"e1000e 0000:00:04.0: Cannot change default domain: Group has more than one device", kNote},
    {"iommu: IOMMU driver was not able to establish FW requested direct mapping.", kNote},
    {"e1000 0000:01:02.0: stream 256 already in tree", kNote},
    {"iommu: Default domain type: Translated", ""},
    {"pci 0000:00:02.0: Adding to iommu group 1", ""},
    {"class_for_each_device called for class 'devlink' before it was registered", kFault},
    {"list_add double add: new=ff4d61160b74b8a0, prev=ff4d611d8e245c10, next=ff4d61160b74b8a0.",
     kFault},
    {"INFO: task bash:100 blocked in I/O wait for more than 120 seconds.", kFault},
    {"BUG kmalloc-64 (Not tainted): Poison overwritten", kFault},
    // of the words alone nobody is an IOMMU
    {"usb 1-1.4: event received: 5", ""},
    {"nvme nvme0: I/O tag 12 timeout, aborting", ""},
    {"usb 1-1: device descriptor read/64, error -71", ""},
    {"EDAC MC0: 1 CE memory read error on DIMM_A1", ""},
    {"traps: prog[123] general protection fault ip:401136 sp:7ffd error:0 in prog[401000+1000]",
     ""},
    {"prog[123] general protection fault ip:401136 sp:7ffd error:0 in prog[401000+1000]", ""},
};

INSTANTIATE_TEST_SUITE_P(Iommus, VerdictLog, ::testing::ValuesIn(kIommuLines));

TEST(VerdictLogReport, WhatAProgramWroteIsNotTheKernels) {
    Scene scene;
    scene.logged("WARNING: possible circular locking dependency detected");
    scene.observed.log.back().user = true;
    EXPECT_EQ(scene.judged().verdict, Verdict::pass);
}

TEST(VerdictLogReport, AGapIsDoubt) {
    Scene scene;
    scene.logged("(4 records of the log, from number 8 on, were overwritten)");
    scene.observed.log.back().lost = 4;
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
    EXPECT_THAT(judgement.reason, HasSubstr("from number 8 on"));
    auto outside = scene;
    outside.observed.outside = true;
    EXPECT_EQ(outside.judged().verdict, Verdict::inconclusive);
    scene.logged("Oops: 0000 [#1] SMP");
    EXPECT_EQ(scene.judged().verdict, Verdict::fail) << "what was read still counts";
}

TEST(VerdictLogReport, ARequesterIsADeviceWithoutItsDomain) {
    const std::string fault = "DMAR: [DMA Write] Request device [00:02.0] fault addr fffe0000 "
                              "[fault reason 02] Present bit in context entry is clear";
    EXPECT_THAT(kinds(Scene().logged(fault).judged()), ElementsAre("kernel-warning " + kClient));
    EXPECT_THAT(kinds(Scene()
                          .settled("pci/0001:00:02.0", changed(kGood, "group=7 domain_id=0xc3"))
                          .logged(fault)
                          .judged()),
                ElementsAre("kernel-warning"))
        << "of two domains";
}

TEST(VerdictLogReport, AnOopsIsToldBeforeTheHangsThatItLeft) {
    Scene scene;
    scene.logged("Oops: 0000 [#1] SMP");
    scene.observed.actors = {{"walk", ActorEnd::How::stuck, "bind pci/x\nmutex_lock"}};
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::hang);
    EXPECT_THAT(judgement.reason, ::testing::StartsWith("kernel-oops: "));
    EXPECT_THAT(kinds(judgement), ElementsAre("kernel-oops", "hang"));
}

const std::string kLate =
    "pci 0000:00:02.0: late IOMMU probe at driver bind, something fishy here!";
const std::string kHead = "WARNING: drivers/iommu/iommu.c:654 at f+0x1/0x2, CPU#0: insmod/345";
const std::string kOldHead = "WARNING: CPU: 0 PID: 9 at drivers/iommu/iommu.c:654 f+0x1/0x2";
const std::string kModules = "Modules linked in: virtio_iommu";

TEST(VerdictLogReport, AWarnIsToldByItsMessage) {
    const auto failures = Scene().logged({kCut, kLate, kOldHead, kModules}).judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].device, kClient);
    EXPECT_EQ(failures[0].driver, "e1000e");
    EXPECT_THAT(failures[0].detail, HasSubstr("late IOMMU probe"));
    EXPECT_THAT(failures[0].evidence,
                ElementsAre(HasSubstr("late IOMMU probe"), HasSubstr("iommu.c:654")));
    EXPECT_THAT(failures[0].evidence[0], HasSubstr("[   12.345678] pci"));
}

TEST(VerdictLogReport, SaysWhereItHappened) {
    const auto at = [](const std::string& detail, const std::string& line) {
        return reported_at({FailureKind::kernel_oops, "", "", detail, {line}, false});
    };
    EXPECT_EQ(at("late IOMMU probe", kHead), "drivers/iommu/iommu.c:654");
    EXPECT_EQ(at("x", "[    9.1] " + kOldHead), "drivers/iommu/iommu.c:654");
    EXPECT_EQ(at("kernel BUG at lib/list_debug.c:59!", ""), "lib/list_debug.c:59");
    EXPECT_EQ(at("Unable to handle kernel paging request at virtual address dead000000000122",
                 "[    9.1] pc : iommu_group_store_type+0x44/0x3f0"),
              "iommu_group_store_type");
    EXPECT_EQ(at("x", "RIP: 0010:iommu_attach+0x10/0x20 [module]"), "iommu_attach");
    EXPECT_EQ(at("DMA is direct", "pci 0000:00:02.0: dma=direct at 12:30"), "");
}

TEST(VerdictLogReport, AMessageBelowItsHeadIsFoundToo) {
    EXPECT_THAT(kinds(Scene().logged({kCut, kHead, kLate, kModules}).judged()),
                ElementsAre("kernel-warning " + kClient));
}

TEST(VerdictLogReport, AWarnOnWithoutMessageTakesNoNeighbour) {
    const std::string other = "pci 0000:00:02.0: Adding to iommu group 1";
    EXPECT_THAT(kinds(Scene()
                          .logged({other, kCut,
                                   "WARNING: CPU: 0 PID: 9 at drivers/iommu/iommu.c:3157 f+0x1/0x2",
                                   kModules})
                          .judged()),
                ElementsAre("kernel-warning"));
}

TEST(VerdictLogReport, AnEmptyMessageIsNone) {
    const auto failures = Scene().logged({kCut, kHead, ""}).judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_THAT(failures[0].detail, HasSubstr("iommu.c:654"));
}

TEST(VerdictLogReport, DeviceOfTheRecordIsUsed) {
    const std::string line = "refcount_t: underflow; use-after-free.";
    EXPECT_THAT(kinds(Scene().logged(line, "platform/9050000.smmuv3").judged()),
                ElementsAre("kernel-warning platform/9050000.smmuv3"));
}

TEST(VerdictLogReport, EvidenceStaysAHandful) {
    Scene scene;
    for (int i = 0; i < 100; ++i)
        scene.logged("refcount_t: underflow " + std::to_string(i));
    const auto failures = scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].evidence.size(), 6U);
}

} // namespace dmarace::verdict::testing
