/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the audit share. */
#ifndef DMARACE_AUDIT_H
#define DMARACE_AUDIT_H

#include <linux/iommu.h>
#include <linux/types.h>

struct facts {
	struct iommu_domain *domain;
	bool via_iommu;
	bool grouped;
	bool fw;
	bool bound;
	bool managed;
	bool locked;		/* we have the device's lock */
};

struct mapping {
	const char *result;	/* ok, mismatch, error, skipped */
	const char *reason;
	bool mapped;
	bool translated;	/* iova_phys is a fact */
	u64 addr, phys, iova_phys;
};

bool firmware_says_iommu(struct device *dev);
unsigned int firmware_iommus(struct device *dev);
void audit_map(struct device *dev, const struct facts *facts,
	       struct mapping *mapping);
void audit_skip(struct mapping *mapping, const char *reason);

#endif
