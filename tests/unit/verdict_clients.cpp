// SPDX-License-Identifier: GPL-2.0-or-later
// Whose fault a line of an IOMMU's driver is.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Two SMMUs that count their streams alike, a GPU of its own, and two NICs behind a bridge.
std::shared_ptr<FoundBoard> board() {
    auto found = std::make_shared<FoundBoard>();
    for (const std::string name : {"pci/0000:00:02.0", "pci/0000:00:03.0", "pci/10000:00:03.0",
                                   "pci/0001:00:02.0", "pci/0000:02:01.0", "pci/0000:02:02.0",
                                   "platform/gpu", "platform/vpu", "platform/9050000.smmuv3"})
        found->devices[name].device = name;
    for (const auto* name : {"pci/0000:02:01.0", "pci/0000:02:02.0"})
        found->devices[name].aliases = {"0000:02:00.0"};
    found->streams = {
        {.iommu = "9050000.smmuv3", .id = 0x100, .first = 0, .count = 0x1000},
        {.iommu = "8000000.smmuv3", .id = 0x100, .first = 0x10000, .count = 0x1000},
        {.iommu = "5000000.iommu", .device = "platform/gpu", .id = 0x400, .ignored = 0x3},
        {.iommu = "ff930300.iommu", .device = "platform/vpu", .ignored = UINT32_MAX},
        {.iommu = "virtio0", .id = 0, .first = 0, .count = 0x10000},
        {.iommu = "30f0000.iommu", .device = "platform/vpu", .id = 3},
        {.iommu = "10205000.iommu", .device = "platform/vpu", .id = 0x10005},
        {.iommu = "10206000.iommu", .device = "platform/vpu", .id = 24},
    };
    return found;
}

struct ClientCase {
    std::vector<std::string> lines;
    std::string kind; // and device
    std::string says;
};

const std::string kV3 = "arm-smmu-v3 9050000.smmuv3: ", kV2 = "arm-smmu 5000000.iommu: ";

const ClientCase kCases[] = {
    {{kV3 + "event 0x10 received:", kV3 + "\\x090x0000011000000010",
      kV3 + "\\x090x0000021000000000"},
     "kernel-warning pci/0000:00:02.0",
     "client pci/0000:00:02.0, by stream 0x110"},
    {{"arm-smmu-v3 8000000.smmuv3: event 0x10 received:",
      "arm-smmu-v3 9050000.smmuv3: \\x090x0000011800000010",
      "arm-smmu-v3 8000000.smmuv3: \t0x0000011000000010"},
     "kernel-warning pci/0001:00:02.0",
     "client pci/0001:00:02.0, by stream 0x110"},
    {{kV3 + "event: C_BAD_STREAMID client: (unassigned sid) sid: 0x118 ssid: 0x0"},
     "kernel-warning pci/0000:00:03.0",
     "client pci/0000:00:03.0"},
    {{kV3 + "event: C_BAD_STREAMID client: (unassigned sid) sid: 0x800 ssid: 0x0"},
     "kernel-warning platform/9050000.smmuv3",
     "no device that the run found has stream 0x800"},
    {{kV3 + "event: F_TRANSLATION client: 0000:02:01.0 sid: 0x300 ssid: 0x0"},
     "kernel-warning",
     "clients pci/0000:02:01.0, pci/0000:02:02.0 share stream 0x300"},
    {{kV3 + "CMD_SYNC timeout at 0x00000123", kV3 + "\\x090x0000011000000010"},
     "kernel-warning platform/9050000.smmuv3",
     ""},
    {{kV2 + "Unhandled context fault: fsr=0x402, iova=0xff000000, cbfrsynra=0x10402, cb=10"},
     "kernel-warning platform/gpu",
     "by stream 0x10402"},
    {{kV2 + "Unexpected global fault, this could be serious",
      kV2 + "\\x09GFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000402, GFSYNR2 0x00000000"},
     "kernel-warning platform/gpu",
     "by stream 0x402"},
    {{"mtk-iommu-v1 10206000.iommu: fault type=0x8 iova=0x1000 pa=0x80000000 larb=2 port=3"},
     "kernel-warning platform/vpu",
     "by stream 0x18"},
    {{"omap-iommu ff930300.iommu: ff930300.iommu: errs:0x00000002 da:0x1000 pgd:0x0 *pgd:px0"},
     "kernel-warning platform/vpu",
     "the only one of this IOMMU"},
    // one event of 7, in four records: one client, and nothing of its IOMMU
    {{kV3 + "event 0x10 received:", kV3 + "\\x090x0000011000000010",
      kV3 + "event: F_TRANSLATION client: 0000:00:02.0 sid: 0x110 ssid: 0x0 iova: 0x1000 ipa: 0x0",
      kV3 + "unpriv data write s1 \"Input address caused fault\" stag: 0x0"},
     "kernel-warning pci/0000:00:02.0",
     "by stream 0x110"},
    {{kV3 + "unexpected PRI request received:",
      kV3 + "\\x09sid 0x00000118.0x00001: [3L] unprivileged R W access at iova 0x1000"},
     "kernel-warning pci/0000:00:03.0",
     "by stream 0x118"},
    {{kV2 + "Blocked unknown Stream ID 0x403; boot with .."}, "kernel-warning platform/gpu", ""},
    {{kV2 + "Blocked unknown Stream ID 0x404; boot with .."}, "kernel-warning", "no device"},
    {{"virtio_iommu virtio0: domain fault from EP 16 at 0x1000 [Read]"},
     "kernel-warning pci/0000:00:02.0",
     ""},
    {{"sun50i-iommu 30f0000.iommu: Page fault for 0x1000 (master 3, dir read)"},
     "kernel-warning platform/vpu",
     ""},
    {{"mtk-iommu 10205000.iommu: fault type=0x280 iova=0x1000 pa=0x0 master=0x5(larb=0 port=5) "
      "layer=0 read"},
     "kernel-warning platform/vpu",
     ""},
    {{"rk_iommu ff930300.iommu: Page fault at 0x024ad000 of type read"},
     "kernel-warning platform/vpu",
     "the only one of this IOMMU"},
    {{"DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0x1000"},
     "kernel-warning",
     "clients pci/0000:02:01.0, pci/0000:02:02.0 share requester 0x200"},
    {{"DMAR: DRHD: handling fault status reg 3",
      "DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0x1000"},
     "kernel-warning pci/0000:00:03.0",
     ""},
    {{"DMAR: [DMA Read] Request device [0x00:0x03.0] fault addr 0x1000"},
     "kernel-warning pci/0000:00:03.0",
     ""},
    {{"iommu ivhd0: AMD-Vi: Event logged [ILLEGAL_DEV_TABLE_ENTRY device=0001:00:02.0 "
      "pasid=0x00000 address=0xfffffffdf8000000 flags=0x0a00]"},
     "kernel-warning pci/0001:00:02.0",
     ""},
};

TEST(VerdictClients, AreNamedByWhatFirmwareSays) {
    for (const auto& row : kCases) {
        Scene scene;
        scene.observed.found = board();
        scene.settled("platform/9050000.smmuv3", "bound=1");
        const auto judgement = scene.logged(row.lines).judged();
        ASSERT_THAT(kinds(judgement), ElementsAre(row.kind)) << row.lines[0];
        EXPECT_THAT(judgement.failures[0].detail, HasSubstr(row.says)) << row.lines[0];
        EXPECT_THAT(judgement.failures[0].detail, HasSubstr(row.lines[0]));
        EXPECT_THAT(judgement.failures[0].detail, Not(HasSubstr("not about")));
    }
}

// Where firmware says nothing the driver may have named him.
TEST(VerdictClients, NamedInTheLineAreNotTakenForTheirIommu) {
    for (const std::string line :
         {"exynos-sysmmu 11200000.mmu: 11200000.vpu: [READ] PAGE FAULT occurred at 0x20000000",
          "arm-smmu-v3 11200000.mmu: event: F_TRANSLATION client: 11200000.vpu sid: 0x1 ssid: "
          "0x0"}) {
        Scene scene;
        scene.settled("platform/11200000.mmu", "bound=1")
            .settled("platform/11200000.vpu", "bound=1");
        EXPECT_THAT(kinds(scene.logged(line).judged()),
                    ElementsAre("kernel-warning platform/11200000.vpu"));
    }
}

TEST(VerdictClients, OfWhichTheJobIsNotAreSaidToBe) {
    Scene scene;
    scene.observed.found = board();
    scene.plan.expect.devices = {"pci/0000:00:02.0"};
    scene.logged(
        std::vector<std::string>{"virtio_iommu virtio0: domain fault from EP 24 at 0x1000",
                                 "virtio_iommu virtio0: domain fault from EP 16 at 0x1000"});
    const auto judgement = scene.judged();
    ASSERT_THAT(kinds(judgement),
                ElementsAre("kernel-warning pci/0000:00:03.0", "kernel-warning pci/0000:00:02.0"));
    EXPECT_THAT(judgement.failures[0].detail, HasSubstr("which the job is not about"));
    EXPECT_THAT(judgement.failures[1].detail, Not(HasSubstr("not about")));
}

} // namespace
} // namespace dmarace::verdict::testing
