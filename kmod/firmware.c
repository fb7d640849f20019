// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file reads what firmware says about a device's IOMMU: its own iommus
 * property, the iommu-map of its PCI host bridge, or the fwspec made from
 * ACPI tables. A software node with an iommus property counts as firmware.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/pci.h>
#include <linux/property.h>

#include "audit.h"
#include "dmarace.h"

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
unsigned int firmware_iommus(struct device *dev)
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
