// SPDX-License-Identifier: GPL-2.0-only
// Since commit 1ea2a07a532b ("iommu: Add DMA ownership management interfaces") (in v5.19)
#include <linux/iommu.h>

bool probe(struct iommu_group *group);

bool probe(struct iommu_group *group)
{
	return iommu_group_dma_owner_claimed(group);
}
