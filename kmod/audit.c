// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file states the facts of a device's DMA set-up. It judges nothing and
 * changes nothing.
 */
#include <linux/amba/bus.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fsl/mc.h>
#include <linux/iommu.h>
#include <linux/kref.h>
#include <linux/pci.h>
#include <linux/platform_device.h>

#include "audit.h"
#include "compat.h"
#include "dmarace.h"

#define LOCK_TRIES	20

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
static void put_group(struct line *line, struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);
	int owned = -1;

	if (!group)
		return;
	if (!atomic_read(&state.held_group))
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

static noinline_for_stack void audit(struct device *dev, const char *at,
				     bool map, bool locked, struct reader *to)
{
	char name[DMARACE_NAME_MAX];
	struct mapping mapping = {};
	struct facts facts;
	struct line line;

	collect(&facts, dev, locked);
	if (map)
		audit_map(dev, &facts, &mapping);
	else
		audit_skip(&mapping, "not asked for");
	device_text(dev, name, sizeof(name));
	line_begin(&line, DMARACE_E_AUDIT);
	line_str(&line, DMARACE_K_AT, at);
	line_str(&line, DMARACE_K_DEV, name);
	put_driver(&line, &facts, dev);
	put_group(&line, dev);
	put_facts(&line, dev, &facts);
	put_map(&line, &mapping);
	line_send(&line, to);
}

void audit_locked(struct device *dev, const char *at)
{
	audit(dev, at, true, true, NULL);
}

/* Whoever asks must not wait for a device that a held task has locked. */
void audit_on_demand(struct device *dev, bool map, struct reader *to)
{
	bool locked = device_trylock(dev);
	int i;

	for (i = 0; !locked && i < LOCK_TRIES; i++) {
		usleep_range(500, 1000);
		locked = device_trylock(dev);
	}
	audit(dev, DMARACE_AT_DEMAND, map, locked, to);
	if (locked)
		device_unlock(dev);
}

struct demand {
	struct reader *to;
	bool map;
};

static int audit_if_concerned(struct device *dev, void *data)
{
	const struct demand *demand = data;

	if (device_iommu_mapped(dev) || firmware_says_iommu(dev))
		audit_on_demand(dev, demand->map, demand->to);
	return 0;
}

void audit_all(bool map, struct reader *to)
{
	struct demand demand = { .to = to, .map = map };

	bus_each(audit_if_concerned, &demand);
}
