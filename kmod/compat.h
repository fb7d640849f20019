/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels. Kbuild looks into the kernel's own headers
 * and defines HAVE_*; only this file asks for them.
 */
#ifndef DMARACE_COMPAT_H
#define DMARACE_COMPAT_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/kallsyms.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Does the DMA API of this device go through the IOMMU? */
static inline bool compat_via_iommu(struct device *dev)
{
#if defined(HAVE_DEV_DMA_IOMMU)
	/*
	 * Linux kernel commit 7fa1e85cfe68 ("driver core: Replace
	 * dev->dma_iommu with dev_dma_iommu()") (in v7.2).
	 */
	return dev_dma_iommu(dev);
#elif defined(HAVE_DMA_IOMMU_BIT) && IS_ENABLED(CONFIG_IOMMU_DMA)
	/*
	 * Linux kernel commit b5c58b2fdc42 ("dma-mapping: direct calls for
	 * dma-iommu") (in v6.12).
	 */
	return dev->dma_iommu;
#else
	/*
	 * Others set operations as well (Xen, x86's GART): dma-iommu's are
	 * static, but their functions have names.
	 */
	const struct dma_map_ops *ops = get_dma_ops(dev);
	char name[KSYM_SYMBOL_LEN];

	if (!ops || !ops->map_page)
		return false;
	sprint_symbol_no_offset(name, (unsigned long)ops->map_page);
	return !strcmp(name, "iommu_dma_map_page");
#endif
}

/*
 * The byte of struct device that dev->dma_iommu shares with other bits, or a
 * negative error: a bitfield has no offsetof(), so it is set and looked for.
 * It was one from commit b5c58b2fdc42 ("dma-mapping: direct calls for
 * dma-iommu") (in v6.12) until commit 7fa1e85cfe68 (in v7.2).
 */
static inline int compat_dma_iommu_byte(void)
{
#if defined(HAVE_DMA_IOMMU_BIT) && IS_ENABLED(CONFIG_IOMMU_DMA)
	struct device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int byte;

	if (!dev)
		return -ENOMEM;
	dev->dma_iommu = true;
	byte = (u8 *)memchr_inv(dev, 0, sizeof(*dev)) - (u8 *)dev;
	kfree(dev);
	return byte;
#else
	return -ENOENT;
#endif
}

#endif
