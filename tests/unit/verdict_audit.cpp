// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict_support.hpp"

#include <gtest/gtest.h>

namespace dmarace::verdict {

using testing::event;

TEST(VerdictAudit, ReadsEveryWord) {
    const auto audit = to_audit(event(
        "audit seq=41 ts=99 at=bound dev=pci/0000:00:02.0 driver=e1000e bound=1 managed=0 owned=1 "
        "fw=1 fwspec=1 iommu=virtio0 iommu_refs=5 group=3 domain=dma-fq domain_id=a1f0 "
        "via_iommu=1 map=skipped reason=\"mask too small\" addr=0xff phys=0xfe iova_phys=0xfd"));
    ASSERT_TRUE(audit);
    EXPECT_EQ(audit->seq, 41U);
    EXPECT_EQ(audit->ts, 99U);
    EXPECT_EQ(audit->at, "bound");
    EXPECT_EQ(audit->device, "pci/0000:00:02.0");
    EXPECT_EQ(audit->driver, "e1000e");
    EXPECT_EQ(audit->bound, true);
    EXPECT_EQ(audit->managed, false);
    EXPECT_EQ(audit->owned, true);
    EXPECT_EQ(audit->fw, true);
    EXPECT_EQ(audit->fwspec, true);
    EXPECT_EQ(audit->iommu, "virtio0");
    EXPECT_EQ(audit->iommu_refs, 5);
    EXPECT_EQ(audit->group, 3);
    EXPECT_EQ(audit->domain, "dma-fq");
    EXPECT_EQ(audit->domain_id, "a1f0");
    EXPECT_EQ(audit->via_iommu, true);
    EXPECT_EQ(audit->map, "skipped");
    EXPECT_EQ(audit->map_reason, "mask too small");
    EXPECT_EQ(audit->iova_phys, "0xfd");
}

TEST(VerdictAudit, AFactThatIsLeftOutIsUnknown) {
    const auto audit = to_audit(event("audit dev=platform/a"));
    ASSERT_TRUE(audit);
    EXPECT_EQ(audit->at, "demand");
    EXPECT_FALSE(audit->bound);
    EXPECT_FALSE(audit->owned);
    EXPECT_FALSE(audit->via_iommu);
    EXPECT_FALSE(audit->group);
}

TEST(VerdictAudit, OtherLinesAreNone) {
    EXPECT_FALSE(to_audit(event("bus what=bound dev=pci/0000:00:02.0")));
    EXPECT_FALSE(to_audit(event("audit at=bound")));
}

TEST(VerdictAudit, LineComesBack) {
    const auto line = event("audit seq=2 ts=3 at=binding dev=pci/x driver=d bound=0 managed=1 "
                            "owned=0 fw=1 fwspec=0 iommu=i iommu_refs=4 group=0 domain=none "
                            "domain_id=0 via_iommu=0 map=error reason=\"no page\"");
    EXPECT_EQ(to_line(*to_audit(line)), line);
}

TEST(VerdictText, EveryVerdictComesBack) {
    for (const auto verdict : {Verdict::pass, Verdict::fail, Verdict::crash, Verdict::hang,
                               Verdict::inconclusive, Verdict::skip, Verdict::error})
        EXPECT_EQ(verdict_from(to_text(verdict)), verdict);
    EXPECT_FALSE(verdict_from("passed"));
    EXPECT_FALSE(verdict_from(""));
}

} // namespace dmarace::verdict
