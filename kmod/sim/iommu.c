// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file is the simulated IOMMU as the core sees it. It serves the clients
 * of this module and answers every other device that it is not its IOMMU.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "sim.h"

static bool sim_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY ||
	       compat_is_deferred_flush(cap);
}

static struct iommu_device *sim_probe_device(struct device *dev)
{
	if (!sim.registered || !sim_is_client(dev))
		return ERR_PTR(-ENODEV);
	if (!sim_found_when_added() && !atomic_read(&sim.walking))
		return ERR_PTR(-ENODEV);
	if (sim_has_defect(SIM_DEFECT_NO_GROUP))
		return ERR_PTR(-ENODEV);
	if (sim_has_defect(SIM_DEFECT_DRIVER_LIST) && !sim_is_listed())
		return ERR_PTR(-ENODEV);
	return &sim.iommu;
}

static void sim_release_device(struct device *dev)
{
	if (sim_has_defect(SIM_DEFECT_DOUBLE_PROBE))
		sysfs_remove_link(&dev->kobj, "iommu_group");
	sim_group_leave(to_platform_device(dev)->id);
}

static void sim_probe_finalize(struct device *dev)
{
	compat_setup_dma_ops(dev);
}

static struct iommu_group *sim_device_group(struct device *dev)
{
	int error;

	/* In the words of the core, where it cannot make the links of a group. */
	if (sim_has_defect(SIM_DEFECT_ATTACH_FAILED)) {
		error = -ENOMEM;
		dev_err(dev, "Failed to add to iommu group %d: %d\n",
			to_platform_device(dev)->id, error);
		return ERR_PTR(error);
	}
	/* As if another probe of the device had come this far before. */
	if (sim_has_defect(SIM_DEFECT_DOUBLE_PROBE)) {
		error = sysfs_create_link(&dev->kobj, &sim.pdev->dev.kobj,
					  "iommu_group");
		if (error)
			dev_warn(dev, "no link made: %d\n", error);
	}
	return sim_group_join(to_platform_device(dev)->id);
}

const struct iommu_ops sim_ops = {
	.capable		= sim_capable,
	.probe_device		= sim_probe_device,
	.release_device		= sim_release_device,
	.probe_finalize		= sim_probe_finalize,
	.device_group		= sim_device_group,
#ifdef HAVE_DOMAIN_ALLOC_PAGING
	.domain_alloc_paging	= sim_alloc_paging,
	.identity_domain	= &sim_identity,
#else
	.domain_alloc		= sim_alloc,
#endif
	.default_domain_ops	= &sim_domain_ops,
	.owner			= THIS_MODULE,
};

int sim_iommu_register(void)
{
	int error;

	error = iommu_device_sysfs_add(&sim.iommu, &sim.pdev->dev, NULL,
				       SIM_NAME);
	if (error)
		return error;
	sim.registered = true;
	error = iommu_device_register(&sim.iommu, &sim_ops, &sim.pdev->dev);
	if (!error)
		return 0;
	sim.registered = false;
	iommu_device_sysfs_remove(&sim.iommu);
	if (error == -EBUSY)
		pr_err(SIM_NAME ": this kernel has room for one IOMMU driver, and another one is there\n");
	return error;
}

void sim_iommu_unregister(void)
{
	if (!sim.registered)
		return;
	iommu_device_unregister(&sim.iommu);
	iommu_device_sysfs_remove(&sim.iommu);
	sim.registered = false;
}
