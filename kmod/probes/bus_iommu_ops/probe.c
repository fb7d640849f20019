// SPDX-License-Identifier: GPL-2.0-only
// Up to v6.7: 17de3f5fdd35 ("iommu: Retire bus ops") (in v6.8)
#include <linux/platform_device.h>

static const struct iommu_ops * __maybe_unused
probe(void)
{
	return platform_bus_type.iommu_ops;
}
