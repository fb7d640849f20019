// SPDX-License-Identifier: GPL-2.0-only
// Since 4a20ce0ff68e ("iommu: Add a capability for flush queue support") (in v6.5)
#include <linux/iommu.h>

static enum iommu_cap __maybe_unused
probe(void)
{
	return IOMMU_CAP_DEFERRED_FLUSH;
}
