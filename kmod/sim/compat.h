/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels for an IOMMU driver, by the HAVE_* of
 * ../kernel_has.c; of the simulated IOMMU only this header and its table of
 * operations ask for them.
 */
#ifndef DMARACE_SIM_COMPAT_H
#define DMARACE_SIM_COMPAT_H

#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/platform_device.h>

/*
 * Operations that one IOMMU driver has on every bus, where buses have any;
 * else each device has those of its instance. They are never taken off again.
 */
static inline const struct iommu_ops *compat_bus_ops(void)
{
#ifdef HAVE_BUS_IOMMU_OPS
	return platform_bus_type.iommu_ops;
#else
	return NULL;
#endif
}

static inline bool compat_has_bus_ops(void)
{
#ifdef HAVE_BUS_IOMMU_OPS
	return true;
#else
	return false;
#endif
}

/*
 * The third argument, the operations, went. With it no reference was taken of
 * what is no device tree node, though one was put in the end.
 */
static inline int compat_fwspec_init(struct device *dev,
				     struct fwnode_handle *iommu,
				     const struct iommu_ops *ops)
{
#ifdef HAVE_FWSPEC_INIT_OF_TWO
	return iommu_fwspec_init(dev, iommu);
#else
	bool is_new = !dev_iommu_fwspec_get(dev);
	int error = iommu_fwspec_init(dev, iommu, ops);

	if (!error && is_new && !is_of_node(iommu))
		fwnode_handle_get(iommu);
	return error;
#endif
}

/*
 * Where drivers can call it, the DMA API is switched by the architecture's part
 * of the firmware walk, which a device without device tree node never sees.
 */
static inline void compat_setup_dma_ops(struct device *dev)
{
#ifdef HAVE_SETUP_DMA_OPS
	iommu_setup_dma_ops(dev, 0, U64_MAX);
#endif
}

/* Without the capability every IOMMU was taken to defer its flushes. */
static inline bool compat_is_deferred_flush(enum iommu_cap cap)
{
#ifdef HAVE_CAP_DEFERRED_FLUSH
	return cap == IOMMU_CAP_DEFERRED_FLUSH;
#else
	return false;
#endif
}

/* Whether attaching is told the domain that was there. */
#ifdef HAVE_ATTACH_OF_THREE
#define COMPAT_ATTACH(name)						\
	name(struct iommu_domain *domain, struct device *dev,		\
	     struct iommu_domain *before)
#else
#define COMPAT_ATTACH(name)						\
	name(struct iommu_domain *domain, struct device *dev)
#endif

#endif
