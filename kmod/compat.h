/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels. Kbuild defines HAVE_* for what of kernel_has.c
 * compiles; only this header asks for it, and the simulated IOMMU's table of
 * operations.
 */
#ifndef DMARACE_COMPAT_H
#define DMARACE_COMPAT_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/kallsyms.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

/* Does the DMA API of this device go through the IOMMU? */
static inline bool compat_via_iommu(struct device *dev)
{
#if defined(HAVE_DEV_DMA_IOMMU)
	return dev_dma_iommu(dev);
#elif defined(HAVE_DMA_IOMMU_BIT)
	return dev->dma_iommu;
#else
	/*
	 * Others set operations as well (Xen, x86's GART): dma-iommu's are
	 * static, but their functions have names.
	 */
	const struct dma_map_ops *ops = get_dma_ops(dev);
	char name[KSYM_SYMBOL_LEN];

	if (!ops || !ops->map_page)
		return false;
	sprint_symbol_no_offset(name, (unsigned long)ops->map_page);
	return !strcmp(name, "iommu_dma_map_page");
#endif
}

/*
 * Whether somebody owns the group's DMA; -1 where groups have no owner, or none
 * that a module can ask for.
 */
static inline int compat_owned(struct iommu_group *group)
{
#ifdef HAVE_DMA_OWNER
	return iommu_group_dma_owner_claimed(group);
#else
	return -1;
#endif
}

#ifdef HAVE_DRIVER_MANAGED
#define compat_managed(driver)	((driver)->driver_managed_dma)
#else
#define compat_managed(driver)	((void)(driver), false)
#endif

/*
 * Lazy invalidation became a type of domains in v5.15. No domain of an older
 * kernel has this one.
 */
#ifndef IOMMU_DOMAIN_DMA_FQ
#define IOMMU_DOMAIN_DMA_FQ	(IOMMU_DOMAIN_DMA | BIT(30))
#endif

/* An error where the kernel's memory is nobody's to read, or where that is not known. */
static inline int compat_memory_locked_down(void)
{
#ifdef HAVE_LOCKDOWN
	return security_locked_down(LOCKDOWN_KCORE);
#else
	return -EPERM;
#endif
}

#ifdef HAVE_TASK_STATE
#define compat_task_state(task)	READ_ONCE((task)->__state)
#else
#define compat_task_state(task)	((unsigned int)READ_ONCE((task)->state))
#endif

/* The start of a file's text; an error where a module cannot read files. */
static inline ssize_t compat_read_file(const char *path, char *to, size_t size)
{
#ifdef HAVE_READ_FILES
	struct file *file = filp_open(path, O_RDONLY, 0);
	ssize_t length;
	loff_t at = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	length = kernel_read(file, to, size - 1, &at);
	filp_close(file, NULL);
	to[max_t(ssize_t, length, 0)] = '\0';
	return length;
#else
	return -ENOENT;
#endif
}

/* Tracepoints, also those that are not exported; none where they are out of reach. */
static inline void compat_each_tracepoint(void (*each)(struct tracepoint *point,
						       void *unused))
{
#ifdef HAVE_TRACEPOINTS
	for_each_kernel_tracepoint(each, NULL);
#endif
}

static inline int compat_tracepoint_add(struct tracepoint *point, void *probe)
{
#ifdef HAVE_TRACEPOINTS
	return tracepoint_probe_register(point, probe, NULL);
#else
	return -ENOENT;
#endif
}

static inline void compat_tracepoint_remove(struct tracepoint *point, void *probe)
{
#ifdef HAVE_TRACEPOINTS
	tracepoint_probe_unregister(point, probe, NULL);
#endif
}

/* Nobody is in a probe that was removed. */
static inline void compat_tracepoints_drain(void)
{
#ifdef HAVE_TRACEPOINTS
	tracepoint_synchronize_unregister();
#endif
}

/* Has the DMA API its addresses from a domain of this type? */
static inline bool compat_is_dma_type(unsigned int type)
{
	return type & __IOMMU_DOMAIN_DMA_API;
}

/*
 * Where functions of an IOMMU driver are, as offsets that are followed one after
 * the other from its struct iommu_ops; the domains here are those that all its
 * devices share.
 */
#define COMPAT_DEEP	3

struct compat_operation {
	const char *name;
	int path[COMPAT_DEEP];
};

#define COMPAT_OP(op)	{ #op, { offsetof(struct iommu_ops, op), -1 } },
#ifdef HAVE_DOMAIN_OPS
#define COMPAT_DOMAIN_OP(op) \
	{ #op, { offsetof(struct iommu_ops, default_domain_ops), \
		 offsetof(struct iommu_domain_ops, op), -1 } },
#else
#define COMPAT_DOMAIN_OP(op) COMPAT_OP(op)
#endif
#define COMPAT_OP_OF(domain) \
	{ #domain ".attach_dev", { offsetof(struct iommu_ops, domain), \
				   offsetof(struct iommu_domain, ops), \
				   offsetof(struct iommu_domain_ops, attach_dev) } },
#ifdef HAVE_IDENTITY_DOMAIN
#define COMPAT_OP_IDENTITY	COMPAT_OP_OF(identity_domain)
#else
#define COMPAT_OP_IDENTITY
#endif
#ifdef HAVE_BLOCKED_DOMAIN
#define COMPAT_OP_BLOCKED	COMPAT_OP_OF(blocked_domain)
#else
#define COMPAT_OP_BLOCKED
#endif
#ifdef HAVE_RELEASE_DOMAIN
#define COMPAT_OP_RELEASE	COMPAT_OP_OF(release_domain)
#else
#define COMPAT_OP_RELEASE
#endif

#define COMPAT_OPERATIONS \
	COMPAT_OP(probe_device) COMPAT_OP(probe_finalize) \
	COMPAT_OP(release_device) COMPAT_OP(device_group) \
	COMPAT_OP(of_xlate) COMPAT_OP(get_resv_regions) \
	COMPAT_OP(def_domain_type) COMPAT_DOMAIN_OP(attach_dev) \
	COMPAT_DOMAIN_OP(flush_iotlb_all) \
	COMPAT_OP_IDENTITY COMPAT_OP_BLOCKED COMPAT_OP_RELEASE

/*
 * iommu_device_register() of one argument: the instance has its operations
 * already.
 */
static inline const struct iommu_ops *
compat_registered_ops(struct iommu_device *iommu, unsigned long second)
{
#ifdef HAVE_REGISTER_OF_ONE
	return iommu->ops;
#else
	return (const struct iommu_ops *)second;
#endif
}

/* The set-up macro of old kernels writes to the operations; this does not. */
static inline int compat_register(struct iommu_device *iommu,
				  const struct iommu_ops *ops)
{
#ifdef HAVE_REGISTER_OF_ONE
	__iommu_device_set_ops(iommu, ops);
	return iommu_device_register(iommu);
#else
	return iommu_device_register(iommu, ops, NULL);
#endif
}

/* Which argument of the symbol is its device, if the newest kernel's is arg. */
static inline int compat_device_argument(const char *symbol, int arg)
{
#ifdef HAVE_REGISTER_OF_ONE
	if (!strcmp(symbol, "iommu_device_register"))
		return -1;
#endif
	return arg;
}

/*
 * The byte of struct device that dev->dma_iommu shares with other bits, or a
 * negative error: a bitfield has no offsetof(), so it is set and looked for.
 */
static inline int compat_dma_iommu_byte(void)
{
#ifdef HAVE_DMA_IOMMU_BIT
	struct device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int byte;

	if (!dev)
		return -ENOMEM;
	dev->dma_iommu = true;
	byte = (u8 *)memchr_inv(dev, 0, sizeof(*dev)) - (u8 *)dev;
	kfree(dev);
	return byte;
#else
	return -ENOENT;
#endif
}

/* For an IOMMU driver. */

/*
 * Operations that one IOMMU driver has on every bus, where buses have any;
 * else each device has those of its instance. They are never taken off again.
 */
static inline const struct iommu_ops *compat_bus_ops(void)
{
#ifdef HAVE_BUS_IOMMU_OPS
	return platform_bus_type.iommu_ops;
#else
	return NULL;
#endif
}

static inline bool compat_has_bus_ops(void)
{
#ifdef HAVE_BUS_IOMMU_OPS
	return true;
#else
	return false;
#endif
}

/*
 * The third argument, the operations, went. With it no reference was taken of
 * what is no device tree node, though one was put in the end.
 */
static inline int compat_fwspec_init(struct device *dev,
				     struct fwnode_handle *iommu,
				     const struct iommu_ops *ops)
{
#ifdef HAVE_FWSPEC_INIT_OF_TWO
	return iommu_fwspec_init(dev, iommu);
#else
	bool is_new = !dev_iommu_fwspec_get(dev);
	int error = iommu_fwspec_init(dev, iommu, ops);

	if (!error && is_new && !is_of_node(iommu))
		fwnode_handle_get(iommu);
	return error;
#endif
}

/*
 * Where drivers can call it, the DMA API is switched by the architecture's part
 * of the firmware walk, which a device without device tree node never sees.
 */
static inline void compat_setup_dma_ops(struct device *dev)
{
#ifdef HAVE_SETUP_DMA_OPS
	iommu_setup_dma_ops(dev, 0, U64_MAX);
#endif
}

/* Without the capability every IOMMU was taken to defer its flushes. */
static inline bool compat_is_deferred_flush(enum iommu_cap cap)
{
#ifdef HAVE_CAP_DEFERRED_FLUSH
	return cap == IOMMU_CAP_DEFERRED_FLUSH;
#else
	return false;
#endif
}

/* Whether attaching is told the domain that was there. */
#ifdef HAVE_ATTACH_OF_THREE
#define COMPAT_ATTACH(name)						\
	name(struct iommu_domain *domain, struct device *dev,		\
	     struct iommu_domain *before)
#else
#define COMPAT_ATTACH(name)						\
	name(struct iommu_domain *domain, struct device *dev)
#endif

#endif
