// SPDX-License-Identifier: GPL-2.0-only
// Since bf3aed4660c6 ("iommu: Introduce explicit type for non-strict DMA domains") (in v5.15)
#include <linux/iommu.h>

static bool __maybe_unused
probe(struct iommu_domain *domain)
{
	return iommu_is_dma_domain(domain);
}
