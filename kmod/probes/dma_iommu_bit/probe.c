// SPDX-License-Identifier: GPL-2.0-only
// From commit b5c58b2fdc42 ("dma-mapping: direct calls for dma-iommu") (in v6.12) to v7.1, with CONFIG_IOMMU_DMA
#include <linux/device.h>

bool probe(const struct device *dev);

bool probe(const struct device *dev)
{
	return dev->dma_iommu;
}
