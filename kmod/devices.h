/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 2, devices: their names, what their buses tell, and the facts of their
 * DMA set-up.
 */
#ifndef DMARACE_DEVICES_H
#define DMARACE_DEVICES_H

#include <linux/device.h>
#include <linux/types.h>
#include <linux/uaccess.h>

struct iommu_device;
struct iommu_group;
struct reader;

/* What is asked of the layers above. */
struct devices_hooks {
	/* Does anybody want to hear of buses? */
	bool (*is_watched)(void);
	/* A built-in signal. */
	void (*raise)(const char *signal);
	/* May a task sleep in a rule, with the mutex of a group? */
	bool (*is_anybody_asleep)(void);
};

int devices_init(const struct devices_hooks *hooks);
void devices_exit(void);

/* peek.c: what may go while it is read. */
#define peek(to, from) \
	(!copy_from_kernel_nofault(&(to), (from), sizeof(to)))

size_t peek_text(const char *from, char *to, size_t room);
/* BUS/NAME; a device without a bus is written -/NAME. */
void device_text(struct device *dev, char *name, size_t room);
void driver_text(struct device *dev, char *name, size_t room);
/* What a probed function's argument points to. */
enum argument_kind { ARGUMENT_DEVICE, ARGUMENT_PCI, ARGUMENT_ANY };

void device_argument(void *argument, enum argument_kind kind,
		     struct iommu_group *group, char *name, size_t room,
		     int *id);
/* -1 if it is none. */
int group_number(const struct iommu_group *group);
struct iommu_group *group_pin(struct device *dev);
struct iommu_device *device_iommu(struct device *dev);
bool device_has_fwspec(struct device *dev);
bool iommu_text(struct iommu_device *iommu, char *name, size_t room, int *refs);
/* May a program be told where things are in the kernel's memory? */
int where_allowed(void);
void where_tell(struct device *dev, const char *name, struct reader *to);
/* really_probe() is about to return -EPROBE_DEFER for this device. */
void device_deferred(const char *name);
/* Calls fn for each device of each bus, until it returns non-zero. */
int devices_each(int (*fn)(struct device *dev, void *data), void *data);
/* BUS/NAME to device, with a reference; NULL if there is none. */
struct device *device_find(const char *name);

/* These do not wait for a device that a held task has locked. */
void audit_on_demand(struct device *dev, bool map, struct reader *to);
void audit_all(bool map, struct reader *to);

/* Within the layer, audit.c: facts of one device. */

struct audit_wish {
	const char *at;
	bool map;		/* map a page as well */
	bool locked;		/* we have the device's lock */
	bool owner;		/* may wait for the group's mutex */
	struct reader *to;
};

void audit(struct device *dev, const char *name, const struct audit_wish *wish);
bool firmware_says_iommu(struct device *dev);

#endif
