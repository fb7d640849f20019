// SPDX-License-Identifier: GPL-2.0-only
/*
 * The facts of one device's DMA set-up: what firmware says, what the IOMMU core
 * and the DMA API have made of it, and where a page comes out that is mapped for
 * it. Nothing is judged, and nothing stays changed.
 */
#include <linux/amba/bus.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/fsl/mc.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/property.h>
#include <linux/random.h>

#include "compat.h"
#include "devices.h"
#include "report.h"

struct facts {
	struct iommu_group *group;	/* ours while we look */
	struct iommu_domain *domain;	/* the bound driver's, or nobody's */
	unsigned int type;		/* of the domain */
	bool typed;
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

/*
 * Entries are: first requester, IOMMU, its specifier, count. A specifier has as
 * many cells as the IOMMU says; kernels up to 7.0 took one, and so do newer ones
 * where all entries look like that.
 */
static bool is_of_ones(const __be32 *map, int cells)
{
	int i;

	for (i = 0; i + 4 <= cells; i += 4)
		if (map[i + 1] != map[1] || be32_to_cpu(map[i + 3]) != 1)
			return false;
	return i == cells;
}

static u32 specifier_cells(const __be32 *map, int cells, u32 phandle)
{
	struct device_node *iommu = of_find_node_by_phandle(phandle);
	u32 count;

	if (!iommu || of_property_read_u32(iommu, "#iommu-cells", &count))
		count = 1;
	of_node_put(iommu);
	return count == 2 && is_of_ones(map, cells) ? 1 : count;
}

static bool map_covers(const struct device_node *bridge, u32 rid)
{
	const __be32 *map;
	int at, bytes, cells;
	u32 mask, size;

	map = of_get_property(bridge, "iommu-map", &bytes);
	if (!map)
		return false;
	if (!of_property_read_u32(bridge, "iommu-map-mask", &mask))
		rid &= mask;
	cells = bytes / 4;
	for (at = 0; at + 3 <= cells; at += size) {
		u32 first = be32_to_cpu(map[at]);
		u32 phandle = be32_to_cpu(map[at + 1]);

		size = 3 + min_t(u32, specifier_cells(map, cells, phandle),
				 MAX_PHANDLE_ARGS);
		if (size > cells - at)
			break;
		if (rid >= first && rid - first < be32_to_cpu(map[at + size - 1]))
			return is_enabled(of_find_node_by_phandle(phandle));
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
	if (device_has_fwspec(dev))
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
	bool dma_api = facts->typed && compat_is_dma_type(facts->type);

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
	if (facts->domain && !facts->typed)
		return "the domain is going";
	if (!facts->via_iommu && get_dma_ops(dev))
		return "DMA operations of its own";
	if (!dev->dma_mask || !*dev->dma_mask)
		return "no DMA mask";
	if (!pm_runtime_active(dev))
		return "not powered";
	return not_sound(dev, facts);
}

/* Is what the page holds there as well? A random page is nowhere by chance. */
static bool is_copy(u64 phys, const void *page)
{
	const char *copy = phys_to_virt(phys);
	char some[64];
	size_t at;

	if (!pfn_valid(PHYS_PFN(phys)) ||
	    !pfn_valid(PHYS_PFN(phys + PAGE_SIZE - 1)))
		return false;
	for (at = 0; at < PAGE_SIZE; at += sizeof(some))
		if (copy_from_kernel_nofault(some, copy + at, sizeof(some)) ||
		    memcmp(some, page + at, sizeof(some)))
			return false;
	return true;
}

/*
 * A bounce buffer is as good as the page, be it forced, a restricted pool, or
 * because the guest's memory is encrypted: it holds what the device shall read.
 */
static void compare(struct device *dev, const struct facts *facts,
		    const void *page, struct mapping *mapping)
{
	u64 out;

	mapping->translated = facts->via_iommu;
	if (facts->via_iommu)
		out = iommu_iova_to_phys(facts->domain, mapping->addr);
	else
		out = dma_to_phys(dev, mapping->addr);
	mapping->iova_phys = out;
	mapping->result = DMARACE_MAP_OK;
	if (out == mapping->phys)
		return;
	if (is_copy(out, page))
		mapping->reason = "bounced";
	else
		mapping->result = DMARACE_MAP_MISMATCH;
}

/* An IOMMU reaches every page; without one, a mask may be too small for it. */
static bool is_reached(struct device *dev, const struct facts *facts, u64 phys)
{
	u64 limit = min_not_zero(*dev->dma_mask, dev->bus_dma_limit);

	return facts->via_iommu ||
	       phys_to_dma_unencrypted(dev, phys) <= limit - (PAGE_SIZE - 1);
}

static void map_page(struct device *dev, const struct facts *facts,
		     struct page *page, struct mapping *mapping)
{
	mapping->phys = page_to_phys(page);
	if (!is_reached(dev, facts, mapping->phys)) {
		skip(mapping, "page outside the DMA mask");
		return;
	}
	get_random_bytes(page_address(page), PAGE_SIZE);
	mapping->addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, mapping->addr)) {
		mapping->result = DMARACE_MAP_ERROR;
		mapping->reason = "dma_map_page failed";
		return;
	}
	mapping->mapped = true;
	compare(dev, facts, page_address(page), mapping);
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
	page = alloc_page(GFP_KERNEL | GFP_DMA32);
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

static const char *domain_word(const struct facts *facts)
{
	if (!facts->domain)
		return DMARACE_DOMAIN_NONE;
	if (!facts->typed)
		return NULL;
	switch (facts->type) {
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
	char name[DMARACE_NAME_MAX];
	int refs;

	if (!iommu_text(device_iommu(dev), name, sizeof(name), &refs))
		return;
	line_str(line, DMARACE_K_IOMMU, name);
	if (refs >= 0)
		line_num(line, DMARACE_K_IOMMU_REFS, refs);
}

static void put_driver(struct line *line, const struct facts *facts,
		       struct device *dev)
{
	char name[DMARACE_NAME_MAX];

	driver_text(dev, name, sizeof(name));
	line_str(line, DMARACE_K_DRIVER, name);
	line_num(line, DMARACE_K_BOUND, facts->bound);
	if (name[0] && facts->locked)
		line_num(line, DMARACE_K_MANAGED, facts->managed);
}

/*
 * Ownership is behind the group's mutex: it is asked for where somebody waits
 * for the answer, and only while no task sleeps that may have the mutex.
 */
static void put_group(struct line *line, struct iommu_group *group, bool owner)
{
	int owned = group && owner ? compat_owned(group) : -1;

	if (owned >= 0)
		line_num(line, DMARACE_K_OWNED, owned);
	if (group)
		line_num(line, DMARACE_K_GROUP, iommu_group_id(group));
}

static noinline_for_stack void put_facts(struct line *line, struct device *dev,
					 const struct facts *facts)
{
	unsigned int iommus = firmware_iommus(dev);

	line_num(line, DMARACE_K_FW, facts->fw);
	if (iommus)
		line_num(line, DMARACE_K_IOMMUS, iommus);
	line_num(line, DMARACE_K_FWSPEC, device_has_fwspec(dev));
	put_iommu(line, dev);
	line_str(line, DMARACE_K_DOMAIN, domain_word(facts));
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
	facts->group = group_pin(dev);
	facts->domain = facts->group ? iommu_get_domain_for_dev(dev) : NULL;
	facts->typed = facts->domain && peek(facts->type, &facts->domain->type);
	facts->via_iommu = compat_via_iommu(dev);
	facts->grouped = facts->group;
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
	put_group(&line, facts.group, wish->owner);
	put_facts(&line, dev, &facts);
	put_map(&line, &mapping);
	line_send(&line, wish->to);
	iommu_group_put(facts.group);
}
