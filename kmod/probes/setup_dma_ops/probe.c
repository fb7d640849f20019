// SPDX-License-Identifier: GPL-2.0-only
// Up to v6.9: commit b67483b3c44e ("iommu/dma: Centralise iommu_setup_dma_ops()") (in v6.10)
#include <linux/iommu.h>
/* Its place before commit f2042ed21da7 ("iommu/dma: Make header private"). */
#if __has_include(<linux/dma-iommu.h>)
#include <linux/dma-iommu.h>
#endif

void probe(struct device *dev);

void probe(struct device *dev)
{
	iommu_setup_dma_ops(dev, 0, U64_MAX);
}
