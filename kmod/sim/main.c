// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading of dmarace_sim.ko: a simulated IOMMU with clients, right
 * or wrong as defect= says, and the walk on demand.
 */
#include <linux/device.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/platform_device.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "../compat.h"
#include "sim.h"

static const struct software_node sim_node = {
	.name	= SIM_NAME,
};

static unsigned int devices;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "clients to make; 0 (default): no IOMMU, only the walk");

static unsigned int groups;
module_param(groups, uint, 0444);
MODULE_PARM_DESC(groups, "IOMMU groups they share; 0 (default): one for each");

static char *found = "added";
module_param(found, charp, 0444);
MODULE_PARM_DESC(found, "the core knows a client's IOMMU from when it is 'added' (default), or only when a 'walk' meets it");

static const char * const defects[] = {
	[SIM_DEFECT_NONE]		= "none",
	[SIM_DEFECT_LEAK_REF]		= "leak-ref",
	[SIM_DEFECT_DRIVER_LIST]	= "driver-list",
	[SIM_DEFECT_NO_GROUP]		= "no-group",
	[SIM_DEFECT_DOUBLE_PROBE]	= "double-probe",
	[SIM_DEFECT_ATTACH_FAILED]	= "attach-failed",
	[SIM_DEFECT_FWSPEC_LOST]	= "fwspec-lost",
	[SIM_DEFECT_MAP_ERROR]		= "map-error",
	[SIM_DEFECT_MAP_FAILS]		= "map-fails",
	[SIM_DEFECT_TYPE_MISMATCH]	= "type-mismatch",
	[SIM_DEFECT_ATTACH_FAILS]	= "attach-fails",
	[SIM_DEFECT_NO_FLUSH]		= "no-flush",
	[SIM_DEFECT_PROBE_FAILS]	= "probe-fails",
	[SIM_DEFECT_PROBE_DEFERS]	= "probe-defers",
	[SIM_DEFECT_PROBE_SLEEPS]	= "probe-sleeps",
	[SIM_DEFECT_WARN]		= "warn",
	[SIM_DEFECT_OOPS]		= "oops",
	[SIM_DEFECT_HANG]		= "hang",
	[SIM_DEFECT_PANIC]		= "panic",
};

static int defect;

static int defect_set(const char *text, const struct kernel_param *kp)
{
	int match = __sysfs_match_string(defects, ARRAY_SIZE(defects), text);

	if (match < 0)
		return match;
	WRITE_ONCE(defect, match);
	return 0;
}

static int defect_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%s\n", defects[READ_ONCE(defect)]);
}

static const struct kernel_param_ops defect_ops = {
	.set	= defect_set,
	.get	= defect_get,
};

module_param_cb(defect, &defect_ops, NULL, 0644);
MODULE_PARM_DESC(defect, "what the IOMMU or its clients' driver does wrong");

bool sim_has_defect(enum sim_defect which)
{
	return READ_ONCE(defect) == which;
}

bool sim_found_when_added(void)
{
	return !strcmp(found, "added");
}

static int check_parameters(void)
{
	if (devices > SIM_CLIENTS_MAX) {
		pr_err(SIM_NAME ": at most %d devices\n", SIM_CLIENTS_MAX);
		return -EINVAL;
	}
	if (!sim_found_when_added() && strcmp(found, "walk")) {
		pr_err(SIM_NAME ": found is 'added' or 'walk'\n");
		return -EINVAL;
	}
	return 0;
}

/* Root's side of the steps walk, remove and rescan: files of the device. */

static ssize_t walk_store(struct device *dev, struct device_attribute *attr,
			  const char *text, size_t count)
{
	int error = sim_walk();

	return error ? error : count;
}

/* By which means a walk is done here. */
static ssize_t walk_show(struct device *dev, struct device_attribute *attr,
			 char *text)
{
	if (!compat_has_bus_ops())
		return sysfs_emit(text, "own-ops\n");
	return sysfs_emit(text, sim_walk_ops() ? "bus-ops\n" : "none\n");
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

static const struct attribute_group *device_groups[] = {
	&sim_group,
	NULL
};

static int make_device(void)
{
	int error;

	sim.pdev = platform_device_alloc(SIM_NAME, PLATFORM_DEVID_NONE);
	if (!sim.pdev)
		return -ENOMEM;
	sim.pdev->dev.groups = device_groups;
	error = device_add_software_node(&sim.pdev->dev, &sim_node);
	if (!error)
		error = platform_device_add(sim.pdev);
	if (error)
		platform_device_put(sim.pdev);
	return error;
}

static void drop_device(void)
{
	device_remove_software_node(&sim.pdev->dev);
	platform_device_unregister(sim.pdev);
}

static int make_clients(void)
{
	int error;

	error = sim_iommu_register(devices, groups);
	if (error)
		return error;
	error = sim_clients_init(devices);
	if (error) {
		sim_iommu_unregister();
		return error;
	}
	/* Operations on the buses stay there: so must their code. */
	if (compat_has_bus_ops())
		__module_get(THIS_MODULE);
	return 0;
}

static int __init sim_init(void)
{
	int error;

	error = check_parameters();
	if (error)
		return error;
	error = sim_walk_init();
	if (error)
		return error;
	error = make_device();
	if (error)
		goto out_walk;
	error = sim_driver_register();
	if (error)
		goto out_device;
	error = devices ? make_clients() : 0;
	if (!error)
		return 0;
	sim_driver_unregister();
out_device:
	drop_device();
out_walk:
	sim_walk_exit();
	return error;
}

static void __exit sim_exit(void)
{
	if (devices) {
		sim_clients_exit();
		sim_iommu_unregister();
	}
	sim_driver_unregister();
	drop_device();
	sim_walk_exit();
}

module_init(sim_init);
module_exit(sim_exit);

MODULE_DESCRIPTION("Simulated IOMMU with clients, and the bus walk on demand");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");
