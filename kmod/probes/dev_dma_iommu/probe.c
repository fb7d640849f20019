// SPDX-License-Identifier: GPL-2.0-only
// Since 7fa1e85cfe68 ("driver core: Replace dev->dma_iommu with dev_dma_iommu()") (in v7.2)
#include <linux/device.h>

static bool __maybe_unused
probe(struct device *dev)
{
	return dev_dma_iommu(dev);
}
