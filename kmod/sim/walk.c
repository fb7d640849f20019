// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file is the module's side of the steps walk, remove and rescan: files
 * of the simulated IOMMU's device that root writes.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
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

static const struct iommu_ops *walk_ops(void)
{
	return compat_has_bus_ops() ? compat_bus_ops() : &sim_ops;
}

/*
 * A driver that looks for its instance among the devices of its own driver,
 * where the driver core puts a device when its probe has returned: too late
 * for the walk, which is made from within the probe.
 */
static int instance_probe(struct platform_device *pdev)
{
	return walk_with(walk_ops());
}

static struct platform_driver instance_driver = {
	.probe	= instance_probe,
	.driver	= {
		.name	= SIM_INSTANCE,
	},
};

bool sim_is_listed(void)
{
	struct device *dev;

	if (!atomic_read(&sim.walking))
		return true;
	dev = driver_find_device_by_name(&instance_driver.driver, SIM_INSTANCE);
	put_device(dev);
	return dev;
}

/* As long as the module is there: any walk may ask for its devices. */
int sim_walk_init(void)
{
	return platform_driver_register(&instance_driver);
}

void sim_walk_exit(void)
{
	platform_driver_unregister(&instance_driver);
}

static int walk_in_probe(void)
{
	static DEFINE_MUTEX(one_at_a_time);
	struct platform_device *pdev;
	int error;

	mutex_lock(&one_at_a_time);
	pdev = platform_device_register_simple(SIM_INSTANCE,
					       PLATFORM_DEVID_NONE, NULL, 0);
	error = PTR_ERR_OR_ZERO(pdev);
	if (!error) {
		error = pdev->dev.driver ? 0 : -ENODEV;
		platform_device_unregister(pdev);
	}
	mutex_unlock(&one_at_a_time);
	return error;
}

static int walk(void)
{
	if (!walk_ops())
		return -ENODEV;
	return sim_has_defect(SIM_DEFECT_DRIVER_LIST) ? walk_in_probe() :
							walk_with(walk_ops());
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
