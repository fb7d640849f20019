// SPDX-License-Identifier: GPL-2.0-only
// Since 1ea2a07a532b ("iommu: Add DMA ownership management interfaces") (in v5.19)
#include <linux/iommu.h>

static bool __maybe_unused
probe(struct iommu_group *group)
{
	return iommu_group_dma_owner_claimed(group);
}
