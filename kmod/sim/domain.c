// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated IOMMU's translation: one page table for each domain, that nothing
 * but iova_to_phys() ever reads.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat.h"
#include "sim.h"

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

const struct iommu_domain_ops sim_domain_ops = {
	SIM_DOMAIN_OPS,
	.flush_iotlb_all = sim_flush_all,
};

static const struct iommu_domain_ops sim_domain_ops_no_flush = {
	SIM_DOMAIN_OPS,
};

static const struct iommu_domain_ops sim_identity_ops = {
	.attach_dev	= sim_attach_identity,
	.free		= sim_free,
};

static const struct iommu_domain_ops sim_static_identity_ops = {
	.attach_dev	= sim_attach_identity,
};

struct iommu_domain sim_identity = {
	.type	= IOMMU_DOMAIN_IDENTITY,
	.ops	= &sim_static_identity_ops,
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

struct iommu_domain *sim_alloc_paging(struct device *dev)
{
	struct sim_domain *sim = new_domain();

	return sim ? &sim->domain : NULL;
}

/* For kernels that ask for a type. */
struct iommu_domain *sim_alloc(unsigned int type)
{
	struct sim_domain *sim;

	if (type == IOMMU_DOMAIN_BLOCKED)
		return NULL;
	sim = new_domain();
	if (sim && type == IOMMU_DOMAIN_IDENTITY)
		sim->domain.ops = &sim_identity_ops;
	return sim ? &sim->domain : NULL;
}
