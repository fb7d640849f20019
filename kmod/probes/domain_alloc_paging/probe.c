// SPDX-License-Identifier: GPL-2.0-only
// Since 4601cd2d7c4c ("iommu: Add ops->domain_alloc_paging()") (in v6.7)
#include <linux/iommu.h>

static struct iommu_domain * __maybe_unused
probe(const struct iommu_ops *ops, struct device *dev)
{
	return ops->domain_alloc_paging(dev);
}
