// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file is the driver of the clients: those of this module, and the devices
 * of a board's device tree that are compatible with SIM_COMPATIBLE. While it is
 * bound it keeps one page mapped, as a driver with work in flight does.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "sim.h"

#define SLEEP_MS	2000

struct client {
	struct device *dev;
	struct page *page;
	dma_addr_t addr;
	struct iommu_domain *domain;	/* whose type was falsified, or NULL */
	unsigned int type;
};

static void unmap_page(void *data)
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
	return devm_add_action_or_reset(client->dev, unmap_page, client);
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
