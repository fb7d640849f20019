// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file follows devices on every exported bus that can have an IOMMU:
 * events, audits and built-in signals, while somebody owns the module or
 * loaded rules are armed.
 */
#include <linux/amba/bus.h>
#include <linux/device.h>
#include <linux/fsl/mc.h>
#include <linux/kernel.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "dmarace.h"

struct watch {
	typeof(platform_bus_type) *bus;	/* const from 6.9 on */
	struct notifier_block nb;
	bool registered;
};

static int bus_event(struct notifier_block *nb, unsigned long action,
		     void *data);

#define WATCH(type)	{ .bus = &(type), .nb.notifier_call = bus_event }

/* A bus in a module is left alone: it would be pinned by us. */
static struct watch watches[] = {
	WATCH(platform_bus_type),
#if IS_BUILTIN(CONFIG_PCI)
	WATCH(pci_bus_type),
#endif
#if IS_BUILTIN(CONFIG_ARM_AMBA)
	WATCH(amba_bustype),
#endif
#if IS_BUILTIN(CONFIG_FSL_MC_BUS)
	WATCH(fsl_mc_bus_type),
#endif
};

static noinline_for_stack void report(const char *what, const char *dev,
				      const char *driver, int error)
{
	struct line line;

	line_begin(&line, DMARACE_E_BUS);
	line_str(&line, DMARACE_K_WHAT, what);
	line_str(&line, DMARACE_K_DEV, dev);
	line_str(&line, DMARACE_K_DRIVER, driver);
	if (error)
		line_num(&line, DMARACE_K_ERR, error);
	line_task(&line);
	line_send(&line, NULL);
}

static noinline_for_stack void raise(const char *prefix, const char *dev)
{
	char name[DMARACE_NAME_MAX + 16];

	scnprintf(name, sizeof(name), "%s:%s", prefix, dev);
	signal_raise(name, DMARACE_BY_BUS);
}

static const struct action {
	unsigned long action;
	const char *what;
	const char *signal;
	const char *audit;
} actions[] = {
	{ BUS_NOTIFY_ADD_DEVICE, DMARACE_BUS_ADDED, DMARACE_S_ADDED },
	{ BUS_NOTIFY_REMOVED_DEVICE, DMARACE_BUS_REMOVED, DMARACE_S_REMOVED },
	{ BUS_NOTIFY_BIND_DRIVER, DMARACE_BUS_BINDING, DMARACE_S_BINDING,
	  DMARACE_AT_BINDING },
	{ BUS_NOTIFY_BOUND_DRIVER, DMARACE_BUS_BOUND, DMARACE_S_BOUND,
	  DMARACE_AT_BOUND },
	{ BUS_NOTIFY_UNBIND_DRIVER, DMARACE_BUS_UNBINDING },
	{ BUS_NOTIFY_UNBOUND_DRIVER, DMARACE_BUS_UNBOUND, DMARACE_S_UNBOUND },
	{ BUS_NOTIFY_DRIVER_NOT_BOUND, DMARACE_BUS_FAILED },
};

static bool is_watching(void)
{
	return owner_exists() || READ_ONCE(state.open);
}

static int bus_event(struct notifier_block *nb, unsigned long action,
		     void *data)
{
	struct device *dev = data;
	char name[DMARACE_NAME_MAX];
	unsigned int i;

	if (!is_watching())
		return NOTIFY_DONE;
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (actions[i].action == action)
			break;
	if (i == ARRAY_SIZE(actions))
		return NOTIFY_DONE;
	device_text(dev, name, sizeof(name));
	report(actions[i].what, name, dev->driver ? dev->driver->name : NULL,
	       0);
	if (actions[i].audit)
		audit_locked(dev, actions[i].audit);
	if (actions[i].signal)
		raise(actions[i].signal, name);
	return NOTIFY_DONE;
}

/* really_probe() is about to return -EPROBE_DEFER. */
void bus_deferred(const char *dev)
{
	report(DMARACE_BUS_DEFERRED, dev, NULL, -EPROBE_DEFER);
	raise(DMARACE_S_DEFERRED, dev);
}

/* Calls fn for each device of each bus, until it returns non-zero. */
int bus_each(int (*fn)(struct device *dev, void *data), void *data)
{
	unsigned int i;
	int result = 0;

	for (i = 0; !result && i < ARRAY_SIZE(watches); i++)
		result = bus_for_each_dev(watches[i].bus, NULL,
					  data, fn);
	return result;
}

/* BUS/NAME to device, with a reference; NULL if there is none. */
struct device *bus_find(const char *name)
{
	const char *slash = strchr(name, '/');
	unsigned int i;

	if (!slash)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(watches); i++) {
		const char *bus = watches[i].bus->name;

		if (strlen(bus) == slash - name &&
		    !strncmp(bus, name, slash - name))
			return bus_find_device_by_name(watches[i].bus,
						       NULL, slash + 1);
	}
	return NULL;
}

int bus_init(void)
{
	unsigned int i;
	int error;

	for (i = 0; i < ARRAY_SIZE(watches); i++) {
		error = bus_register_notifier(watches[i].bus,
					      &watches[i].nb);
		if (error)
			return error;
		watches[i].registered = true;
	}
	return 0;
}

void bus_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(watches); i++)
		if (watches[i].registered)
			bus_unregister_notifier(watches[i].bus,
						&watches[i].nb);
}
