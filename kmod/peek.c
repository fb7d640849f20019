// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read of devices, groups and IOMMUs that may go while they are looked
 * at, or that are something else: every pointer is followed by a copy that may
 * fail. What cannot be read is not there.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "compat.h"
#include "devices.h"
#include "dmarace_abi.h"
#include "report.h"

/* Returns the length. */
size_t peek_text(const char *from, char *to, size_t room)
{
	size_t i = 0;

	while (from && i + 1 < room && peek(to[i], from + i) && to[i])
		i++;
	to[i] = '\0';
	return i;
}

/* All devices have one type of kobject, which is nobody else's. */
static bool is_device(const struct device *dev)
{
	const struct kobj_type *type;

	return !IS_ERR_OR_NULL(dev) && peek(type, &dev->kobj.ktype) &&
	       type == platform_bus.kobj.ktype;
}

void device_text(struct device *dev, char *name, size_t room)
{
	const struct bus_type *bus;
	const char *of_bus = NULL;
	const char *own;
	size_t length;

	name[0] = '\0';
	if (!dev || !peek(own, &dev->init_name))
		return;
	if (!own && (!peek(own, &dev->kobj.name) || !own))
		return;
	if (!peek(bus, &dev->bus) || !bus || !peek(of_bus, &bus->name))
		of_bus = NULL;
	if (of_bus)
		length = peek_text(of_bus, name, room);
	else
		length = strscpy(name, "-", room);
	length += scnprintf(name + length, room - length, "/");
	peek_text(own, name + length, room - length);
}

void driver_text(struct device *dev, char *name, size_t room)
{
	struct device_driver *driver = READ_ONCE(dev->driver);
	const char *own;

	name[0] = '\0';
	if (driver && peek(own, &driver->name))
		peek_text(own, name, room);
}

/* A group begins with its kobject, whose name is the number, in a set of them. */
int group_number(const struct iommu_group *group)
{
	const struct kobject *kobj = (const struct kobject *)group;
	const struct kset *set;
	const char *name;
	char text[16];
	int id;

	if (IS_ERR_OR_NULL(group) || !peek(set, &kobj->kset) || !set ||
	    !peek(name, &set->kobj.name))
		return -1;
	peek_text(name, text, sizeof(text));
	if (strcmp(text, "iommu_groups") || !peek(name, &kobj->name))
		return -1;
	peek_text(name, text, sizeof(text));
	return kstrtoint(text, 10, &id) ? -1 : id;
}

/* With a reference, so that it stays: NULL if it is going already. */
struct iommu_group *group_pin(struct device *dev)
{
	if (group_number(READ_ONCE(dev->iommu_group)) < 0)
		return NULL;
	return iommu_group_get(dev);
}

/*
 * What the argument of a probed function says. It may be NULL, an error
 * pointer or, with unsafe=1, no device at all.
 */
void device_argument(void *argument, enum argument_kind kind,
		     struct iommu_group *group, char *name, size_t room,
		     int *id)
{
	struct device *dev = argument;
	struct device *inner = &((struct pci_dev *)argument)->dev;

	name[0] = '\0';
	if (kind == ARGUMENT_ANY && !is_device(dev)) {
		if (!IS_ERR_OR_NULL(argument) && is_device(inner))
			dev = inner;
		else if (!group && group_number(argument) >= 0)
			group = argument;
	} else if (!IS_ERR_OR_NULL(argument) && kind == ARGUMENT_PCI) {
		dev = inner;
	}
	if (is_device(dev)) {
		device_text(dev, name, room);
		if (!group && !peek(group, &dev->iommu_group))
			group = NULL;
	}
	*id = group_number(group);
}

struct iommu_device *device_iommu(struct device *dev)
{
	struct dev_iommu *param = READ_ONCE(dev->iommu);
	struct iommu_device *iommu;

	return param && peek(iommu, &param->iommu_dev) ? iommu : NULL;
}

bool device_has_fwspec(struct device *dev)
{
	struct dev_iommu *param = READ_ONCE(dev->iommu);
	struct iommu_fwspec *fwspec;

	return param && peek(fwspec, &param->fwspec) && fwspec;
}

/* The instance's name, and the references of the device that it belongs to. */
bool iommu_text(struct iommu_device *iommu, char *name, size_t room, int *refs)
{
	struct device *instance;
	struct kref kref;
	const char *own;

	*refs = -1;
	if (!iommu || !peek(instance, &iommu->dev) || !instance ||
	    !peek(own, &instance->kobj.name) || !peek_text(own, name, room))
		return false;
	if (peek(instance, &instance->parent) && instance &&
	    peek(kref, &instance->kobj.kref))
		*refs = kref_read(&kref);
	return true;
}

int where_allowed(void)
{
	return compat_memory_locked_down();
}

/* What is read may go at once: whoever asks looks at an idle board. */
void where_tell(struct device *dev, const char *name, struct reader *to)
{
	struct iommu_group *group = READ_ONCE(dev->iommu_group);
	struct device_driver *driver = READ_ONCE(dev->driver);
	struct driver_private *private;
	struct line line;

	if (!driver || !peek(private, &driver->p))
		private = NULL;
	line_begin(&line, DMARACE_E_WHERE);
	line_str(&line, DMARACE_K_DEV, name);
	if (group_number(group) >= 0)
		line_num(&line, DMARACE_K_GROUP, group_number(group));
	line_hex(&line, DMARACE_K_DEVICE_AT, (unsigned long)dev);
	line_hex(&line, DMARACE_K_PARENT_AT, (unsigned long)dev->parent);
	line_hex(&line, DMARACE_K_DRIVER_AT, (unsigned long)driver);
	line_hex(&line, DMARACE_K_DRIVER_PRIVATE_AT, (unsigned long)private);
	line_hex(&line, DMARACE_K_DEV_IOMMU_AT, (unsigned long)READ_ONCE(dev->iommu));
	line_hex(&line, DMARACE_K_IOMMU_DEVICE_AT, (unsigned long)device_iommu(dev));
	line_hex(&line, DMARACE_K_GROUP_AT, (unsigned long)group);
	line_send(&line, to);
}
