// SPDX-License-Identifier: GPL-2.0-only
// Since 3e36c15fc1cc ("iommu: Remove iommu_fwspec ops") (in v6.11)
#include <linux/iommu.h>

static int __maybe_unused
probe(struct device *dev, struct fwnode_handle *iommu)
{
	return iommu_fwspec_init(dev, iommu);
}
