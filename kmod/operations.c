// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file finds functions of IOMMU drivers by address: their names are
 * static and not unique (two SMMU drivers in one kernel), their operations
 * tables can be reached from any device they have probed, and are an argument
 * when an instance registers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "compat.h"
#include "dmarace.h"
#include "points.h"

#define PREFIX		"ops:"
#define ADDRESSES_MAX	4

struct search {
	const char *symbol;
	void **found;
	unsigned int count;
};

bool is_operation(const char *symbol)
{
	return !strncmp(symbol, PREFIX, strlen(PREFIX));
}

static void *operation(const struct iommu_ops *ops, const char *symbol)
{
	const char *name = symbol + strlen(PREFIX);

	if (!strcmp(name, "probe_device"))
		return ops->probe_device;
	if (!strcmp(name, "release_device"))
		return ops->release_device;
	if (!strcmp(name, "device_group"))
		return ops->device_group;
	if (!strcmp(name, "of_xlate"))
		return ops->of_xlate;
	if (!strcmp(name, "attach_dev"))
		return compat_attach_dev(ops);
	return NULL;
}

static int look(struct device *dev, void *data)
{
	struct dev_iommu *param = READ_ONCE(dev->iommu);
	struct iommu_device *iommu = param ? READ_ONCE(param->iommu_dev) : NULL;
	struct search *search = data;
	unsigned int i;
	void *address;

	if (!iommu || !iommu->ops)
		return 0;
	address = operation(iommu->ops, search->symbol);
	for (i = 0; address && i < search->count; i++)
		if (search->found[i] == address)
			address = NULL;
	if (address)
		search->found[search->count++] = address;
	return search->count == ADDRESSES_MAX;
}

/* The distinct addresses of one operation; returns how many. */
static unsigned int find(const char *symbol, void **found)
{
	struct search search = {
		.symbol = symbol,
		.found = found,
	};

	bus_each(look, &search);
	return search.count;
}

/* Drivers that register later are heard of at iommu_device_register(). */
static int watch_registrations(struct armed_rule *armed)
{
	struct probe *probe;
	struct probe_key key;

	if (armed->watch || !key_of_point("iommu_device_register", &key))
		return 0;
	probe = probe_get(&key);
	if (IS_ERR(probe))
		return PTR_ERR(probe);
	probe->registrations++;
	armed->watch = probe;
	return 0;
}

static int add_address(const struct probe_key *operation, void *address,
		       struct armed_rule *armed)
{
	struct probe_key key = *operation;
	struct probe *probe;

	key.address = address;
	probe = probe_get(&key);
	return IS_ERR(probe) ? PTR_ERR(probe) : add_probe(armed, probe);
}

/* The operation of every IOMMU driver that has a device, or registers. */
int resolve_operation(const struct probe_key *key, struct armed_rule *armed)
{
	void *addresses[ADDRESSES_MAX];
	unsigned int i, count;
	int error;

	count = find(key->symbol, addresses);
	for (i = 0; i < count; i++) {
		error = add_address(key, addresses[i], armed);
		if (error)
			return error;
	}
	return watch_registrations(armed);
}

/* Takes the place of a probe whose module is unloaded, if there is one. */
static int take_place(struct armed_rule *armed, struct probe *probe)
{
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++) {
		if (armed->probes[i]->address)
			continue;
		replace_probe(armed, i, probe);
		return 0;
	}
	return add_probe(armed, probe);
}

/* A driver's operation joins a rule. */
static int join(struct probe_key *key, struct armed_rule *armed)
{
	struct probe *probe;
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++)
		if (armed->probes[i]->address == key->address)
			return 0;
	probe = probe_get(key);
	if (IS_ERR(probe))
		return PTR_ERR(probe);
	if (!READ_ONCE(probe->gate))
		probe_gate(probe, READ_ONCE(state.open));
	return take_place(armed, probe);
}

/*
 * An IOMMU instance registers, in the context of whoever does it. That one may
 * hold what a request waits for, until the gate is closed.
 */
void operations_registered(const struct iommu_ops *ops, u32 epoch)
{
	struct probe_key key;
	unsigned int i;
	int error;

	while (!mutex_trylock(&control_lock)) {
		if (!gate_is_open(epoch))
			return;
		usleep_range(500, 1000);
	}
	for (i = 0; i < rule_count; i++) {
		if (!key_of_point(rules[i].rule.point, &key) ||
		    !is_operation(key.symbol))
			continue;
		key.address = operation(ops, key.symbol);
		error = key.address ? join(&key, &rules[i]) : 0;
		if (error)
			pr_warn("%s of a new driver: error %d\n", key.symbol,
				error);
	}
	mutex_unlock(&control_lock);
}
