// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file maps one page for a device, looks where it came out, and unmaps
 * it. Only where that cannot hurt: see why_not().
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pm_runtime.h>

#include "audit.h"
#include "compat.h"

void audit_skip(struct mapping *mapping, const char *reason)
{
	mapping->result = DMARACE_MAP_SKIPPED;
	mapping->reason = reason;
}

/* The first predicates: where they hold, a mapping would oops or lie. */
static const char *not_sound(struct device *dev, const struct facts *facts)
{
	bool dma_api = facts->domain && compat_is_dma_domain(facts->domain);

	if (facts->via_iommu && (!facts->grouped || !dev->iommu))
		return "DMA API goes through an IOMMU, but there is no group";
	if (dma_api && !facts->via_iommu)
		return "domain translates, but the DMA API is direct";
	if (facts->via_iommu && !dma_api)
		return "DMA API goes through the IOMMU, but the domain is not for it";
	return NULL;
}

static const char *why_not(struct device *dev, const struct facts *facts)
{
	if (!facts->locked)
		return "device is locked by another task";
	if (!facts->bound)
		return "not bound";
	if (facts->managed)
		return "driver manages its DMA";
	if (!dev->dma_mask || !*dev->dma_mask)
		return "no DMA mask";
	if (!pm_runtime_active(dev))
		return "not powered";
	return not_sound(dev, facts);
}

static void compare(struct device *dev, const struct facts *facts,
		    struct mapping *mapping)
{
	u64 expected = phys_to_dma(dev, mapping->phys);

	mapping->translated = facts->domain;
	if (facts->domain) {
		mapping->iova_phys = iommu_iova_to_phys(facts->domain,
							mapping->addr);
		mapping->result = mapping->iova_phys == mapping->phys ?
				  DMARACE_MAP_OK : DMARACE_MAP_MISMATCH;
	} else {
		mapping->result = mapping->addr == expected ?
				  DMARACE_MAP_OK : DMARACE_MAP_MISMATCH;
	}
}

static void map_page(struct device *dev, const struct facts *facts,
		     struct page *page, struct mapping *mapping)
{
	mapping->phys = page_to_phys(page);
	if (mapping->phys + PAGE_SIZE - 1 > *dev->dma_mask) {
		audit_skip(mapping, "page outside the DMA mask");
		return;
	}
	mapping->addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, mapping->addr)) {
		mapping->result = DMARACE_MAP_ERROR;
		mapping->reason = "dma_map_page failed";
		return;
	}
	mapping->mapped = true;
	compare(dev, facts, mapping);
	dma_unmap_page(dev, mapping->addr, PAGE_SIZE, DMA_TO_DEVICE);
}

void audit_map(struct device *dev, const struct facts *facts,
	       struct mapping *mapping)
{
	const char *reason = why_not(dev, facts);
	struct page *page;

	if (reason) {
		audit_skip(mapping, reason);
		return;
	}
	page = alloc_page(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO);
	if (!page) {
		audit_skip(mapping, "no memory");
		return;
	}
	map_page(dev, facts, page, mapping);
	__free_page(page);
}
