// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file is the module's side of the steps walk, remove and rescan: files
 * of the simulated IOMMU's device that root writes.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "sim.h"

/*
 * Registering an instance makes the core walk every device of every bus. This
 * one has no firmware node: it is offered the devices that firmware says
 * nothing of, and serves only those of this module.
 */
static int walk_with(const struct iommu_ops *ops)
{
	struct iommu_device *instance = kzalloc(sizeof(*instance), GFP_KERNEL);
	int error;

	if (!instance)
		return -ENOMEM;
	atomic_inc(&sim.walking);
	error = iommu_device_register(instance, ops, NULL);
	atomic_dec(&sim.walking);
	if (!error)
		iommu_device_unregister(instance);
	kfree(instance);
	return error;
}

static int walk(void)
{
	if (compat_has_bus_ops())
		return compat_bus_ops() ? walk_with(compat_bus_ops()) : -ENODEV;
	return walk_with(&sim_ops);
}

static ssize_t walk_store(struct device *dev, struct device_attribute *attr,
			  const char *text, size_t count)
{
	int error = walk();

	return error ? error : count;
}

/* By which means a walk is done here. */
static ssize_t walk_show(struct device *dev, struct device_attribute *attr,
			 char *text)
{
	if (!compat_has_bus_ops())
		return sysfs_emit(text, "own-ops\n");
	return sysfs_emit(text, compat_bus_ops() ? "bus-ops\n" : "none\n");
}
static DEVICE_ATTR_RW(walk);

static ssize_t remove_store(struct device *dev, struct device_attribute *attr,
			    const char *text, size_t count)
{
	int error = sim_client_remove(text);

	return error ? error : count;
}
static DEVICE_ATTR_WO(remove);

static ssize_t rescan_store(struct device *dev, struct device_attribute *attr,
			    const char *text, size_t count)
{
	int error = sim_clients_add();

	return error ? error : count;
}
static DEVICE_ATTR_WO(rescan);

static struct attribute *sim_attrs[] = {
	&dev_attr_walk.attr,
	&dev_attr_remove.attr,
	&dev_attr_rescan.attr,
	NULL
};

static const struct attribute_group sim_group = {
	.attrs	= sim_attrs,
};

const struct attribute_group *sim_groups[] = {
	&sim_group,
	NULL
};
