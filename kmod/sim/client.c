// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clients of the simulated IOMMU: platform devices that firmware says are
 * behind it, which can be taken away and found again, as PCI devices can; and
 * their driver, which also binds the devices of a board's device tree that are
 * compatible with SIM_COMPATIBLE. While it is bound it keeps one page mapped, as
 * a driver with work in flight does.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../compat.h"
#include "sim.h"

#define SLEEP_MS	2000

struct client {
	struct device *dev;
	struct page *page;
	dma_addr_t addr;
	struct iommu_domain *domain;	/* whose type was falsified, or NULL */
	unsigned int type;
};

static void unmap(void *data)
{
	struct client *client = data;

	dma_unmap_page(client->dev, client->addr, PAGE_SIZE, DMA_TO_DEVICE);
	__free_page(client->page);
}

static int map_page(struct client *client)
{
	client->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!client->page)
		return -ENOMEM;
	client->addr = dma_map_page(client->dev, client->page, 0, PAGE_SIZE,
				    DMA_TO_DEVICE);
	if (dma_mapping_error(client->dev, client->addr)) {
		__free_page(client->page);
		return 0;	/* the audit shows it */
	}
	return devm_add_action_or_reset(client->dev, unmap, client);
}

static void restore_type(void *data)
{
	struct client *client = data;

	client->domain->type = client->type;
}

/* The group's domain calls itself what it is not. */
static int falsify_type(struct client *client)
{
	client->domain = iommu_get_domain_for_dev(client->dev);
	if (!client->domain || !iommu_is_dma_domain(client->domain))
		return 0;
	client->type = client->domain->type;
	client->domain->type = IOMMU_DOMAIN_IDENTITY;
	return devm_add_action_or_reset(client->dev, restore_type, client);
}

static void lose_fwspec(struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);

	if (!fwspec)
		return;
	dev->iommu->fwspec = NULL;
	fwnode_handle_put(fwspec->iommu_fwnode);
	kfree(fwspec);
}

static void hang(void)
{
	DECLARE_COMPLETION_ONSTACK(never);

	wait_for_completion(&never);
}

static int misbehave(struct client *client)
{
	struct device *dev = client->dev;

	if (sim_has_defect(SIM_DEFECT_PROBE_FAILS))
		return -EIO;
	if (sim_has_defect(SIM_DEFECT_PROBE_DEFERS))
		return -EPROBE_DEFER;
	if (sim_has_defect(SIM_DEFECT_PROBE_SLEEPS))
		msleep(SLEEP_MS);
	if (sim_has_defect(SIM_DEFECT_FWSPEC_LOST))
		lose_fwspec(dev);
	if (sim_has_defect(SIM_DEFECT_TYPE_MISMATCH))
		return falsify_type(client);
	if (sim_has_defect(SIM_DEFECT_WARN))
		dev_WARN(dev, "as asked\n");
	if (sim_has_defect(SIM_DEFECT_OOPS))
		WRITE_ONCE(*(int *)NULL, 0);
	if (sim_has_defect(SIM_DEFECT_HANG))
		hang();
	if (sim_has_defect(SIM_DEFECT_PANIC))
		panic(SIM_NAME ": as asked");
	return 0;
}

static int client_probe(struct platform_device *pdev)
{
	struct client *client;
	int error;

	client = devm_kzalloc(&pdev->dev, sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->dev = &pdev->dev;
	error = map_page(client);
	return error ? error : misbehave(client);
}

/* No module alias: nobody's udev is to load a module that is wrong on request. */
static const struct of_device_id client_of_match[] = {
	{ .compatible = SIM_COMPATIBLE },
	{ }
};

static struct platform_driver client_driver = {
	.probe	= client_probe,
	.driver	= {
		.name		= SIM_CLIENT,
		.of_match_table	= client_of_match,
	},
};

int sim_driver_register(void)
{
	return platform_driver_register(&client_driver);
}

void sim_driver_unregister(void)
{
	platform_driver_unregister(&client_driver);
}

static DEFINE_MUTEX(clients_lock);
static struct platform_device **clients;
static unsigned int client_count;

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
	/* What an unbind took away, the firmware walk of a bind restores. */
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
