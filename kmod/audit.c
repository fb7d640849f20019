// SPDX-License-Identifier: GPL-2.0-only
/*
 * The facts of one device's DMA set-up: what firmware says, what the IOMMU core
 * and the DMA API have made of it, and where a page comes out that is mapped for
 * it. Nothing is judged, and nothing stays changed.
 */
#include <linux/amba/bus.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fsl/mc.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/property.h>

#include "compat.h"
#include "devices.h"
#include "report.h"

struct facts {
	struct iommu_domain *domain;
	bool via_iommu;
	bool grouped;
	bool fw;
	bool bound;
	bool managed;
	bool locked;		/* we have the device's lock */
};

struct mapping {
	const char *result;	/* ok, mismatch, error, skipped */
	const char *reason;
	bool mapped;
	bool translated;	/* iova_phys is a fact */
	u64 addr, phys, iova_phys;
};

/*
 * What firmware says about a device's IOMMU: its own iommus property, the
 * iommu-map of its PCI host bridge, or the fwspec made from ACPI tables. A
 * software node with an iommus property counts as firmware.
 */

#define FIRMWARE_IOMMUS_MAX	8	/* counted for one device */

static bool is_enabled(struct device_node *iommu)
{
	bool enabled = iommu && of_device_is_available(iommu);

	of_node_put(iommu);
	return enabled;
}

/* Entries are: first requester, IOMMU, first stream, count. */
static bool map_covers(const struct device_node *bridge, u32 rid)
{
	const __be32 *map, *end;
	int bytes;
	u32 mask;

	map = of_get_property(bridge, "iommu-map", &bytes);
	if (!map)
		return false;
	if (!of_property_read_u32(bridge, "iommu-map-mask", &mask))
		rid &= mask;
	for (end = map + bytes / 4; map + 4 <= end; map += 4) {
		u32 first = be32_to_cpup(map);

		if (rid < first || rid - first >= be32_to_cpup(map + 3))
			continue;
		return is_enabled(of_find_node_by_phandle(be32_to_cpup(map + 1)));
	}
	return false;
}

/* pci_find_host_bridge() is not exported by every kernel. */
static struct device *host_bridge(struct pci_bus *bus)
{
	while (bus->parent)
		bus = bus->parent;
	return bus->bridge;
}

static bool pci_says(struct pci_dev *pdev)
{
	struct device *bridge = host_bridge(pdev->bus);

	if (bridge->parent && bridge->parent->of_node)
		return map_covers(bridge->parent->of_node, pci_dev_id(pdev));
	return false;
}

static bool node_says(const struct device_node *node)
{
	struct of_phandle_args spec;
	int i;

	for (i = 0; !of_parse_phandle_with_args(node, "iommus", "#iommu-cells",
						i, &spec); i++)
		if (is_enabled(spec.np))
			return true;
	return false;
}

/* How many IOMMUs the node's iommus property names, each once. */
static unsigned int firmware_iommus(struct device *dev)
{
	struct device_node *seen[FIRMWARE_IOMMUS_MAX];
	struct of_phandle_args spec;
	unsigned int count = 0, i, j;

	if (dev_is_pci(dev) || !dev->of_node)
		return 0;
	for (i = 0; count < FIRMWARE_IOMMUS_MAX &&
	     !of_parse_phandle_with_args(dev->of_node, "iommus",
					 "#iommu-cells", i, &spec); i++) {
		for (j = 0; j < count && seen[j] != spec.np; j++)
			;
		/* Compared only: a node lives as long as its phandle is used. */
		if (is_enabled(spec.np) && j == count)
			seen[count++] = spec.np;
	}
	return count;
}

static bool software_node_says(struct device *dev)
{
	struct fwnode_handle *fwnode = dev_fwnode(dev);

	return is_software_node(fwnode) &&
	       fwnode_property_present(fwnode, "iommus");
}

bool firmware_says_iommu(struct device *dev)
{
	if (dev_iommu_fwspec_get(dev))
		return true;
	if (dev_is_pci(dev))
		return pci_says(to_pci_dev(dev));
	if (dev->of_node)
		return node_says(dev->of_node);
	return software_node_says(dev);
}

/*
 * One page is mapped for a device, looked up where it came out, and unmapped
 * again. Only where that cannot hurt: see why_not().
 */

static void skip(struct mapping *mapping, const char *reason)
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
		skip(mapping, "page outside the DMA mask");
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

static void map_and_compare(struct device *dev, const struct facts *facts,
			    struct mapping *mapping)
{
	const char *reason = why_not(dev, facts);
	struct page *page;

	if (reason) {
		skip(mapping, reason);
		return;
	}
	page = alloc_page(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO);
	if (!page) {
		skip(mapping, "no memory");
		return;
	}
	map_page(dev, facts, page, mapping);
	__free_page(page);
}

static bool is_bus(const struct device *dev, const struct bus_type *bus)
{
	return dev->bus == bus;
}

/* Does the driver look after its DMA itself, as VFIO's do? */
static bool is_managed(const struct device *dev)
{
	struct device_driver *drv = dev->driver;

	if (!drv)
		return false;
	if (is_bus(dev, &platform_bus_type))
		return compat_managed(to_platform_driver(drv));
#if IS_BUILTIN(CONFIG_PCI)
	if (is_bus(dev, &pci_bus_type))
		return compat_managed(to_pci_driver(drv));
#endif
#if IS_BUILTIN(CONFIG_ARM_AMBA)
	if (is_bus(dev, &amba_bustype))
		return compat_managed(container_of(drv, struct amba_driver,
						   drv));
#endif
#if IS_BUILTIN(CONFIG_FSL_MC_BUS)
	if (is_bus(dev, &fsl_mc_bus_type))
		return compat_managed(container_of(drv, struct fsl_mc_driver,
						   driver));
#endif
	return false;
}

static const char *domain_word(const struct iommu_domain *domain)
{
	if (!domain)
		return DMARACE_DOMAIN_NONE;
	switch (domain->type) {
	case IOMMU_DOMAIN_BLOCKED:
		return DMARACE_DOMAIN_BLOCKED;
	case IOMMU_DOMAIN_IDENTITY:
		return DMARACE_DOMAIN_IDENTITY;
	case IOMMU_DOMAIN_UNMANAGED:
		return DMARACE_DOMAIN_UNMANAGED;
	case IOMMU_DOMAIN_DMA:
		return DMARACE_DOMAIN_DMA;
	case IOMMU_DOMAIN_DMA_FQ:
		return DMARACE_DOMAIN_DMA_FQ;
	default:
		return DMARACE_DOMAIN_OTHER;
	}
}

static void put_iommu(struct line *line, struct device *dev)
{
	struct dev_iommu *param = READ_ONCE(dev->iommu);
	struct iommu_device *iommu = param ? READ_ONCE(param->iommu_dev) : NULL;
	struct device *instance = iommu ? READ_ONCE(iommu->dev) : NULL;

	if (!instance)
		return;
	line_str(line, DMARACE_K_IOMMU, dev_name(instance));
	if (instance->parent)
		line_num(line, DMARACE_K_IOMMU_REFS,
			 kref_read(&instance->parent->kobj.kref));
}

static void put_driver(struct line *line, const struct facts *facts,
		       struct device *dev)
{
	struct device_driver *drv = READ_ONCE(dev->driver);

	if (drv)
		line_str(line, DMARACE_K_DRIVER, drv->name);
	line_num(line, DMARACE_K_BOUND, facts->bound);
	if (drv && facts->locked)
		line_num(line, DMARACE_K_MANAGED, facts->managed);
}

/*
 * Ownership is behind the group's mutex. While a task is held that may own
 * one, nobody asks.
 */
static void put_group(struct line *line, struct device *dev, bool group_held)
{
	struct iommu_group *group = iommu_group_get(dev);
	int owned = -1;

	if (!group)
		return;
	if (!group_held)
		owned = compat_owned(group);
	if (owned >= 0)
		line_num(line, DMARACE_K_OWNED, owned);
	line_num(line, DMARACE_K_GROUP, iommu_group_id(group));
	iommu_group_put(group);
}

static noinline_for_stack void put_facts(struct line *line, struct device *dev,
					 const struct facts *facts)
{
	unsigned int iommus = firmware_iommus(dev);

	line_num(line, DMARACE_K_FW, facts->fw);
	if (iommus)
		line_num(line, DMARACE_K_IOMMUS, iommus);
	line_num(line, DMARACE_K_FWSPEC, !!dev_iommu_fwspec_get(dev));
	put_iommu(line, dev);
	line_str(line, DMARACE_K_DOMAIN, domain_word(facts->domain));
	if (facts->domain)
		line_ptr(line, DMARACE_K_DOMAIN_ID, facts->domain);
	line_num(line, DMARACE_K_VIA_IOMMU, facts->via_iommu);
}

static void put_map(struct line *line, const struct mapping *map)
{
	line_str(line, DMARACE_K_MAP, map->result);
	line_str(line, DMARACE_K_REASON, map->reason);
	if (!map->mapped)
		return;
	line_hex(line, DMARACE_K_ADDR, map->addr);
	line_hex(line, DMARACE_K_PHYS, map->phys);
	if (map->translated)
		line_hex(line, DMARACE_K_IOVA_PHYS, map->iova_phys);
}

static void collect(struct facts *facts, struct device *dev, bool locked)
{
	facts->domain = iommu_get_domain_for_dev(dev);
	facts->via_iommu = compat_via_iommu(dev);
	facts->grouped = device_iommu_mapped(dev);
	facts->fw = firmware_says_iommu(dev);
	facts->bound = dev->links.status == DL_DEV_DRIVER_BOUND;
	facts->managed = locked && is_managed(dev);
	facts->locked = locked;
}

void audit(struct device *dev, const char *name, const struct audit_wish *wish)
{
	struct mapping mapping = {};
	struct facts facts;
	struct line line;

	collect(&facts, dev, wish->locked);
	if (wish->map)
		map_and_compare(dev, &facts, &mapping);
	else
		skip(&mapping, "not asked for");
	line_begin(&line, DMARACE_E_AUDIT);
	line_str(&line, DMARACE_K_AT, wish->at);
	line_str(&line, DMARACE_K_DEV, name);
	put_driver(&line, &facts, dev);
	put_group(&line, dev, wish->group_held);
	put_facts(&line, dev, &facts);
	put_map(&line, &mapping);
	line_send(&line, wish->to);
}
