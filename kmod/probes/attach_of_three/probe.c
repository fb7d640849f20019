// SPDX-License-Identifier: GPL-2.0-only
// Since commit fd714986e4e4 ("iommu: Pass in old domain to attach_dev callback functions") (in v6.19)
#include <linux/iommu.h>

int probe(const struct iommu_domain_ops *ops, struct iommu_domain *domain,
	  struct device *dev, struct iommu_domain *before);

int probe(const struct iommu_domain_ops *ops, struct iommu_domain *domain,
	  struct device *dev, struct iommu_domain *before)
{
	return ops->attach_dev(domain, dev, before);
}
