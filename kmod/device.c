// SPDX-License-Identifier: GPL-2.0-only
/* This file turns devices into the names and numbers of the contract. */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "dmarace.h"

/* BUS/NAME; a device without a bus is written -/NAME. */
void device_text(struct device *dev, char *name, size_t room)
{
	const char *own = dev ? dev_name(dev) : NULL;

	name[0] = '\0';
	if (own)
		scnprintf(name, room, "%s/%s", dev->bus ? dev->bus->name : "-",
			  own);
}

/*
 * What the argument of a probed function says. It may be NULL, an error
 * pointer or, with unsafe=1, no device at all.
 */
void device_argument(struct device *dev, bool pci, struct iommu_group *group,
		     char *name, size_t room, int *id)
{
	struct kobject check;

	name[0] = '\0';
	*id = -1;
	if (dev && pci)
		dev = &((struct pci_dev *)dev)->dev;
	if (IS_ERR_OR_NULL(dev) ||
	    copy_from_kernel_nofault(&check, &dev->kobj,
				     sizeof(check)))
		dev = NULL;
	if (dev) {
		device_text(dev, name, room);
		if (!group)
			group = READ_ONCE(dev->iommu_group);
	}
	if (!IS_ERR_OR_NULL(group))
		*id = iommu_group_id(group);
}
