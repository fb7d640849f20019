// SPDX-License-Identifier: GPL-2.0-only
// Up to v5.12: 2d471b20c55e ("iommu: Streamline registration interface") (in v5.13)
#include <linux/iommu.h>

static int __maybe_unused
probe(struct iommu_device *iommu)
{
	return iommu_device_register(iommu);
}
