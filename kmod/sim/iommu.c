// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated IOMMU. It serves the clients of this module and answers every
 * other device that it is not its IOMMU.
 */
#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/xarray.h>

#include "../compat.h"
#include "sim.h"

struct sim sim;

/*
 * Its translation: one page table for each domain, that nothing but
 * iova_to_phys() ever reads.
 */

struct sim_domain {
	struct iommu_domain domain;
	struct xarray pages;		/* page number of the IOVA to that of memory */
};

static struct sim_domain *to_sim_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct sim_domain, domain);
}

static int store(struct sim_domain *sim, unsigned long index,
		 phys_addr_t phys, gfp_t gfp)
{
	void *entry = xa_mk_value(phys >> PAGE_SHIFT);
	unsigned long flags;

	xa_lock_irqsave(&sim->pages, flags);
	entry = __xa_store(&sim->pages, index, entry, gfp);
	xa_unlock_irqrestore(&sim->pages, flags);
	return xa_err(entry);
}

static int sim_map(struct iommu_domain *domain, unsigned long iova,
		   phys_addr_t phys, size_t size, size_t count, int prot,
		   gfp_t gfp, size_t *mapped)
{
	struct sim_domain *sim = to_sim_domain(domain);
	int error;

	if (sim_has_defect(SIM_DEFECT_MAP_FAILS))
		return -ENOMEM;
	for (; count; count--) {
		error = store(sim, iova >> PAGE_SHIFT, phys, gfp);
		if (error)
			return error;
		iova += size;
		phys += size;
		*mapped += size;
	}
	return 0;
}

static size_t sim_unmap(struct iommu_domain *domain, unsigned long iova,
			size_t size, size_t count,
			struct iommu_iotlb_gather *gather)
{
	struct sim_domain *sim = to_sim_domain(domain);
	unsigned long flags;
	size_t i;

	xa_lock_irqsave(&sim->pages, flags);
	for (i = 0; i < count; i++)
		if (!__xa_erase(&sim->pages, (iova >> PAGE_SHIFT) + i))
			break;
	xa_unlock_irqrestore(&sim->pages, flags);
	return i * size;
}

static phys_addr_t sim_iova_to_phys(struct iommu_domain *domain,
				    dma_addr_t iova)
{
	struct sim_domain *sim = to_sim_domain(domain);
	void *entry = xa_load(&sim->pages, iova >> PAGE_SHIFT);
	phys_addr_t phys;

	if (!entry)
		return 0;
	phys = (phys_addr_t)xa_to_value(entry) << PAGE_SHIFT;
	if (sim_has_defect(SIM_DEFECT_MAP_ERROR))
		phys ^= PAGE_SIZE;
	return phys | offset_in_page(iova);
}

static void sim_flush_all(struct iommu_domain *domain)
{
	/* Nothing is cached; a flush queue only wants to be told so. */
}

static void sim_free(struct iommu_domain *domain)
{
	struct sim_domain *sim = to_sim_domain(domain);

	xa_destroy(&sim->pages);
	kfree(sim);
}

static int COMPAT_ATTACH(sim_attach)
{
	return 0;
}

static int COMPAT_ATTACH(sim_attach_identity)
{
	return sim_has_defect(SIM_DEFECT_ATTACH_FAILS) ? -EIO : 0;
}

#define SIM_DOMAIN_OPS				\
	.attach_dev	= sim_attach,		\
	.map_pages	= sim_map,		\
	.unmap_pages	= sim_unmap,		\
	.iova_to_phys	= sim_iova_to_phys,	\
	.free		= sim_free

static const struct iommu_domain_ops sim_domain_ops = {
	SIM_DOMAIN_OPS,
	.flush_iotlb_all = sim_flush_all,
};

static const struct iommu_domain_ops sim_domain_ops_no_flush = {
	SIM_DOMAIN_OPS,
};

static struct sim_domain *new_domain(void)
{
	struct sim_domain *sim = kzalloc(sizeof(*sim), GFP_KERNEL);

	if (!sim)
		return NULL;
	xa_init_flags(&sim->pages, XA_FLAGS_LOCK_IRQ);
	sim->domain.pgsize_bitmap = PAGE_SIZE;
	sim->domain.geometry.aperture_end = DMA_BIT_MASK(48);
	sim->domain.geometry.force_aperture = true;
	sim->domain.ops = sim_has_defect(SIM_DEFECT_NO_FLUSH) ?
			  &sim_domain_ops_no_flush : &sim_domain_ops;
	return sim;
}

#ifdef HAVE_DOMAIN_ALLOC_PAGING
/* For kernels that ask for a paging domain, and have one identity domain. */
static struct iommu_domain *sim_alloc_paging(struct device *dev)
{
	struct sim_domain *sim = new_domain();

	return sim ? &sim->domain : NULL;
}

static const struct iommu_domain_ops sim_identity_ops = {
	.attach_dev	= sim_attach_identity,
};

static struct iommu_domain sim_identity = {
	.type	= IOMMU_DOMAIN_IDENTITY,
	.ops	= &sim_identity_ops,
};
#else
/* For kernels that ask for a type. */
static const struct iommu_domain_ops sim_identity_ops = {
	.attach_dev	= sim_attach_identity,
	.free		= sim_free,
};

static struct iommu_domain *sim_alloc(unsigned int type)
{
	struct sim_domain *sim;

	if (type == IOMMU_DOMAIN_BLOCKED)
		return NULL;
	sim = new_domain();
	if (sim && type == IOMMU_DOMAIN_IDENTITY)
		sim->domain.ops = &sim_identity_ops;
	return sim ? &sim->domain : NULL;
}
#endif

/* Which clients share a group. Each is kept while one of them is in it. */

struct slot {
	struct iommu_group *group;	/* NULL while nobody is in it */
	unsigned int members;
};

static DEFINE_MUTEX(slots_lock);
static struct slot *slots;
static unsigned int slot_count;
static unsigned long *joined;		/* clients that are in their group */

/* Its group, with a reference for the caller. */
static struct iommu_group *group_join(unsigned int client)
{
	struct slot *slot = &slots[client % slot_count];
	struct iommu_group *group;

	mutex_lock(&slots_lock);
	group = slot->group ? slot->group : iommu_group_alloc();
	if (!IS_ERR(group) && !test_and_set_bit(client, joined)) {
		slot->group = group;
		slot->members++;
	}
	if (!IS_ERR(group))
		iommu_group_ref_get(group);
	mutex_unlock(&slots_lock);
	return group;
}

/* The core lets a client go, whether it had come as far as its group or not. */
static void group_leave(unsigned int client)
{
	struct slot *slot = &slots[client % slot_count];

	mutex_lock(&slots_lock);
	if (test_and_clear_bit(client, joined) && !--slot->members) {
		iommu_group_put(slot->group);
		slot->group = NULL;
	}
	mutex_unlock(&slots_lock);
}

static void groups_exit(void)
{
	bitmap_free(joined);
	kvfree(slots);
	joined = NULL;
	slots = NULL;
}

/* groups: how many the clients share, one after the other; 0: one for each. */
static int groups_init(unsigned int clients, unsigned int groups)
{
	slot_count = groups ? groups : clients;
	slots = kvcalloc(slot_count, sizeof(*slots), GFP_KERNEL);
	joined = bitmap_zalloc(clients, GFP_KERNEL);
	if (slots && joined)
		return 0;
	groups_exit();
	return -ENOMEM;
}

/*
 * The walk of all buses on demand. A driver that looks for its instance among the
 * devices of its own driver finds it there when its probe has returned: too late
 * for the walk, which is made from within the probe.
 */

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

/* What is walked with; NULL if there is nothing. */
const struct iommu_ops *sim_walk_ops(void)
{
	return compat_has_bus_ops() ? compat_bus_ops() : &sim_ops;
}

static int instance_probe(struct platform_device *pdev)
{
	return walk_with(sim_walk_ops());
}

static struct platform_driver instance_driver = {
	.probe	= instance_probe,
	.driver	= {
		.name	= SIM_INSTANCE,
	},
};

static bool is_listed(void)
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

int sim_walk(void)
{
	if (!sim_walk_ops())
		return -ENODEV;
	return sim_has_defect(SIM_DEFECT_DRIVER_LIST) ? walk_in_probe() :
							walk_with(sim_walk_ops());
}

/* The IOMMU as the core sees it. */

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
	if (sim_has_defect(SIM_DEFECT_DRIVER_LIST) && !is_listed())
		return ERR_PTR(-ENODEV);
	return &sim.iommu;
}

static void sim_release_device(struct device *dev)
{
	if (sim_has_defect(SIM_DEFECT_DOUBLE_PROBE))
		sysfs_remove_link(&dev->kobj, "iommu_group");
	group_leave(to_platform_device(dev)->id);
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
	return group_join(to_platform_device(dev)->id);
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

static int register_instance(void)
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

int sim_iommu_register(unsigned int clients, unsigned int groups)
{
	int error = groups_init(clients, groups);

	if (error)
		return error;
	error = register_instance();
	if (error)
		groups_exit();
	return error;
}

void sim_iommu_unregister(void)
{
	if (!sim.registered)
		return;
	iommu_device_unregister(&sim.iommu);
	iommu_device_sysfs_remove(&sim.iommu);
	sim.registered = false;
	groups_exit();
}
