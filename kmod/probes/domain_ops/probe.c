// SPDX-License-Identifier: GPL-2.0-only
// Since 9a630a4b41a2 ("iommu: Split struct iommu_ops") (in v5.18)
#include <linux/iommu.h>

static const struct iommu_domain_ops * __maybe_unused
probe(const struct iommu_ops *ops)
{
	return ops->default_domain_ops;
}
