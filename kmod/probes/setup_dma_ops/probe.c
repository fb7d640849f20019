// SPDX-License-Identifier: GPL-2.0-only
// From fa49364cd5e6 ("iommu/dma: Move public interfaces to linux/iommu.h") (in v6.1) to v6.9
#include <linux/iommu.h>

static void __maybe_unused
probe(struct device *dev)
{
	iommu_setup_dma_ops(dev, 0, U64_MAX);
}
