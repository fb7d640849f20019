// SPDX-License-Identifier: GPL-2.0-only
// Since commit 4a20ce0ff68e ("iommu: Add a capability for flush queue support") (in v6.5)
#include <linux/iommu.h>

enum iommu_cap probe(void);

enum iommu_cap probe(void)
{
	return IOMMU_CAP_DEFERRED_FLUSH;
}
