// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs between kernels. Kbuild tries each word of a line "defined(TRY_word)"
 * against the target's own headers, with -DTRY_word, and defines HAVE_WORD for
 * those that compile; compat.h asks for them. The comment before it says since or
 * up to which version that is, and by which commit.
 */
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/security.h>
#include <linux/tracepoint.h>

// Every kernel: what the other probes stand on compiles.
#if defined(TRY_base)
static const char * __maybe_unused
probe(struct device *dev)
{
	return dev_name(dev);
}
#endif

// Since fd714986e4e4 ("iommu: Pass in old domain to attach_dev callback functions") (in v6.19)
#if defined(TRY_attach_of_three)
static int __maybe_unused
probe(const struct iommu_domain_ops *ops, void *any)
{
	return ops->attach_dev(any, any, any);
}
#endif

// Since e5d8be7406ca, which moves the blocked domains to ops->blocked_domain (in v6.7)
#if defined(TRY_blocked_domain)
static struct iommu_domain * __maybe_unused
probe(const struct iommu_ops *ops)
{
	return ops->blocked_domain;
}
#endif

// Up to v6.7: 17de3f5fdd35 ("iommu: Retire bus ops") (in v6.8)
#if defined(TRY_bus_iommu_ops)
static const struct iommu_ops * __maybe_unused
probe(void)
{
	return platform_bus_type.iommu_ops;
}
#endif

// Since 4a20ce0ff68e ("iommu: Add a capability for flush queue support") (in v6.5)
#if defined(TRY_cap_deferred_flush)
static enum iommu_cap __maybe_unused
probe(void)
{
	return IOMMU_CAP_DEFERRED_FLUSH;
}
#endif

// Since 7fa1e85cfe68 ("driver core: Replace dev->dma_iommu with dev_dma_iommu()") (in v7.2)
#if defined(TRY_dev_dma_iommu)
static bool __maybe_unused
probe(struct device *dev)
{
	return dev_dma_iommu(dev);
}
#endif

// From b5c58b2fdc42 ("dma-mapping: direct calls for dma-iommu") (in v6.12) to v7.1
#if defined(TRY_dma_iommu_bit)
static bool __maybe_unused
probe(const struct device *dev)
{
	return dev->dma_iommu;
}
#endif

// Since 1ea2a07a532b ("iommu: Add DMA ownership management interfaces") (in v5.19)
#if defined(TRY_dma_owner)
static bool __maybe_unused
probe(struct iommu_group *group)
{
	return iommu_group_dma_owner_claimed(group);
}
#endif

// Since 4601cd2d7c4c ("iommu: Add ops->domain_alloc_paging()") (in v6.7)
#if defined(TRY_domain_alloc_paging)
static struct iommu_domain * __maybe_unused
probe(const struct iommu_ops *ops, struct device *dev)
{
	return ops->domain_alloc_paging(dev);
}
#endif

// Since 9a630a4b41a2 ("iommu: Split struct iommu_ops") (in v5.18)
#if defined(TRY_domain_ops)
static const struct iommu_domain_ops * __maybe_unused
probe(const struct iommu_ops *ops)
{
	return ops->default_domain_ops;
}
#endif

// Since 512881eacfa7 ("bus: platform,amba,fsl-mc,PCI: Add device DMA ownership management")
// (in v5.19)
#if defined(TRY_driver_managed)
static bool __maybe_unused
probe(const struct platform_driver *driver)
{
	return driver->driver_managed_dma;
}
#endif

// Since 3e36c15fc1cc ("iommu: Remove iommu_fwspec ops") (in v6.11)
#if defined(TRY_fwspec_init_of_two)
static int __maybe_unused
probe(struct device *dev, struct fwnode_handle *iommu)
{
	return iommu_fwspec_init(dev, iommu);
}
#endif

// Since df31b298477e ("iommu: Add iommu_ops->identity_domain") (in v6.7)
#if defined(TRY_identity_domain)
static struct iommu_domain * __maybe_unused
probe(const struct iommu_ops *ops)
{
	return ops->identity_domain;
}
#endif

// Since 9e47d31d6a57 ("security: Add a "locked down" LSM hook") (in v5.4), unless not exported
#if defined(TRY_lockdown)
static int __maybe_unused
probe(void)
{
	return security_locked_down(LOCKDOWN_KCORE);
}
#endif

// Every kernel, unless they are exported to a namespace of their own: Kbuild
#if defined(TRY_read_files)
static ssize_t __maybe_unused
probe(struct file *file, void *to, loff_t *at)
{
	return kernel_read(file, to, 1, at);
}
#endif

// Up to v5.12: 2d471b20c55e ("iommu: Streamline registration interface") (in v5.13)
#if defined(TRY_register_of_one)
static int __maybe_unused
probe(struct iommu_device *iommu)
{
	return iommu_device_register(iommu);
}
#endif

// Since 0061ffe289e1 ("iommu: Add static iommu_ops->release_domain") (in v6.9)
#if defined(TRY_release_domain)
static struct iommu_domain * __maybe_unused
probe(const struct iommu_ops *ops)
{
	return ops->release_domain;
}
#endif

// From fa49364cd5e6 ("iommu/dma: Move public interfaces to linux/iommu.h") (in v6.1) to v6.9
#if defined(TRY_setup_dma_ops)
static void __maybe_unused
probe(struct device *dev)
{
	iommu_setup_dma_ops(dev, 0, U64_MAX);
}
#endif

// Since 2f064a59a11f ("sched: Change task_struct::state") (in v5.14)
#if defined(TRY_task_state)
static unsigned int __maybe_unused
probe(const struct task_struct *task)
{
	return task->__state;
}
#endif

// Every kernel, unless they are not exported: Kbuild
#if defined(TRY_tracepoints)
static int __maybe_unused
probe(void (*each)(struct tracepoint *point, void *any), struct tracepoint *point)
{
	for_each_kernel_tracepoint(each, NULL);
	return tracepoint_probe_register(point, each, NULL);
}
#endif
