// SPDX-License-Identifier: GPL-2.0-only
// Since fd714986e4e4 ("iommu: Pass in old domain to attach_dev callback functions") (in v6.19)
#include <linux/iommu.h>

static int __maybe_unused
probe(const struct iommu_domain_ops *ops, void *any)
{
	return ops->attach_dev(any, any, any);
}
