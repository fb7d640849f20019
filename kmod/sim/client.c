// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file makes the clients of the simulated IOMMU: platform devices that
 * firmware says are behind it. They can be taken away and found again, as PCI
 * devices can.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "sim.h"

static DEFINE_MUTEX(clients_lock);
static struct platform_device **clients;
static unsigned int client_count;

bool sim_is_client(struct device *dev)
{
	return dev->bus == &platform_bus_type &&
	       !strcmp(to_platform_device(dev)->name, SIM_CLIENT);
}

/*
 * What parsing of firmware does for a real client, before the core looks at
 * the device. A driver that forgets to put the IOMMU it looked up does so here.
 */
static void find_iommu(struct device *dev)
{
	u32 stream = to_platform_device(dev)->id;
	int error;

	if (sim_has_defect(SIM_DEFECT_LEAK_REF))
		get_device(&sim.pdev->dev);
	error = compat_fwspec_init(dev, dev_fwnode(&sim.pdev->dev), &sim_ops);
	if (!error)
		error = iommu_fwspec_add_ids(dev, &stream, 1);
	if (error)
		dev_warn(dev, "IOMMU not found: %d\n", error);
}

static int device_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	if (!sim_is_client(data))
		return NOTIFY_DONE;
	if (action == BUS_NOTIFY_ADD_DEVICE && sim_found_when_added())
		find_iommu(data);
	/* What an unbind took away, the firmware walk of a bind puts back. */
	if (action == BUS_NOTIFY_BIND_DRIVER && iommu_get_domain_for_dev(data))
		compat_setup_dma_ops(data);
	return NOTIFY_DONE;
}

/* Before the core's own notifier, which probes the device, and all audits. */
static struct notifier_block device_nb = {
	.notifier_call	= device_event,
	.priority	= INT_MAX,
};

/*
 * The property is no reference: kernels with software_node_add_links() would
 * make the IOMMU a supplier, and its clients wait for a driver of it for good.
 */
static struct platform_device *new_client(unsigned int number)
{
	const struct property_entry properties[] = {
		PROPERTY_ENTRY_BOOL("iommus"),
		{ }
	};
	const struct platform_device_info info = {
		.name		= SIM_CLIENT,
		.id		= number,
		.dma_mask	= DMA_BIT_MASK(48),
		.properties	= properties,
	};

	return platform_device_register_full(&info);
}

/* Adds every client that is not there. */
int sim_clients_add(void)
{
	unsigned int i;
	int error = 0;

	mutex_lock(&clients_lock);
	for (i = 0; !error && i < client_count; i++) {
		struct platform_device *pdev;

		if (clients[i])
			continue;
		pdev = new_client(i);
		if (IS_ERR(pdev))
			error = PTR_ERR(pdev);
		else
			clients[i] = pdev;
	}
	mutex_unlock(&clients_lock);
	return error;
}

static void remove_client(unsigned int number)
{
	if (clients[number])
		platform_device_unregister(clients[number]);
	clients[number] = NULL;
}

/* The number in the name of a client that is there, or a negative error. */
static int find_client(const char *name)
{
	unsigned int number;

	if (sscanf(name, SIM_CLIENT ".%u", &number) != 1 ||
	    number >= client_count || !clients[number] ||
	    !sysfs_streq(name, dev_name(&clients[number]->dev)))
		return -ENODEV;
	return number;
}

static void remove_all(void)
{
	unsigned int i;

	for (i = 0; i < client_count; i++)
		remove_client(i);
}

/* One client, or "all". */
int sim_client_remove(const char *name)
{
	int number = 0;

	mutex_lock(&clients_lock);
	if (sysfs_streq(name, "all")) {
		remove_all();
	} else {
		number = find_client(name);
		if (number >= 0)
			remove_client(number);
	}
	mutex_unlock(&clients_lock);
	return number < 0 ? number : 0;
}

int sim_clients_init(unsigned int count)
{
	int error;

	clients = kvcalloc(count, sizeof(*clients), GFP_KERNEL);
	if (!clients)
		return -ENOMEM;
	error = bus_register_notifier(&platform_bus_type, &device_nb);
	if (error) {
		kvfree(clients);
		clients = NULL;
		return error;
	}
	client_count = count;
	error = sim_clients_add();
	if (error)
		sim_clients_exit();
	return error;
}

void sim_clients_exit(void)
{
	/* The files that add clients are there until the device goes. */
	mutex_lock(&clients_lock);
	remove_all();
	client_count = 0;
	mutex_unlock(&clients_lock);
	bus_unregister_notifier(&platform_bus_type, &device_nb);
	kvfree(clients);
	clients = NULL;
}
