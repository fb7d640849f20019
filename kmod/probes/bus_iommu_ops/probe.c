// SPDX-License-Identifier: GPL-2.0-only
// Up to v6.7: commit 17de3f5fdd35 ("iommu: Retire bus ops") (in v6.8)
#include <linux/platform_device.h>

const struct iommu_ops *probe(void);

const struct iommu_ops *probe(void)
{
	return platform_bus_type.iommu_ops;
}
