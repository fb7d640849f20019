// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file finds functions of IOMMU drivers by address: their names are
 * static and not unique (two SMMU drivers in one kernel), their operations
 * tables can be reached from any device they have probed.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "dmarace.h"

#define PREFIX	"ops:"

struct search {
	const char *name;
	void **found;
	unsigned int count;
};

bool is_operation(const char *symbol)
{
	return !strncmp(symbol, PREFIX, strlen(PREFIX));
}

static void *operation(const struct iommu_ops *ops, const char *name)
{
	if (!strcmp(name, "probe_device"))
		return ops->probe_device;
	if (!strcmp(name, "release_device"))
		return ops->release_device;
	if (!strcmp(name, "device_group"))
		return ops->device_group;
	if (!strcmp(name, "of_xlate"))
		return ops->of_xlate;
	if (!strcmp(name, "attach_dev"))
		return ops->default_domain_ops ?
		       ops->default_domain_ops->attach_dev : NULL;
	return NULL;
}

static int look(struct device *dev, void *data)
{
	struct dev_iommu *param = READ_ONCE(dev->iommu);
	struct iommu_device *iommu = param ? READ_ONCE(param->iommu_dev) : NULL;
	struct search *search = data;
	unsigned int i;
	void *address;

	if (!iommu || !iommu->ops)
		return 0;
	address = operation(iommu->ops, search->name);
	for (i = 0; address && i < search->count; i++)
		if (search->found[i] == address)
			address = NULL;
	if (address)
		search->found[search->count++] = address;
	return search->count == OPERATIONS_MAX;
}

/* The distinct addresses of one operation; returns how many. */
unsigned int operations_find(const char *symbol, void **found)
{
	struct search search = {
		.name = symbol + strlen(PREFIX),
		.found = found,
	};

	bus_each(look, &search);
	return search.count;
}
