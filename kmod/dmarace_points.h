/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The point table: where a kernel thread can be held. One row is one point.
 * Included by the module, which arms the rows, and by the orchestrator, whose
 * lint reasons about their locks.
 *
 * A row lists symbols. The module walks them in order: a plain symbol is used
 * when none of the plain ones before it exists in this kernel; a symbol marked
 * ALSO is armed beside the others (ACPI beside device tree, say). 'dev' and
 * 'group' are the argument numbers of the struct device and the struct
 * iommu_group, or -1. A symbol written MODULE:FUNCTION is armed when that
 * module loads; ops:NAME is that operation of each IOMMU driver (found.c).
 * DMARACE_RMW(FUNCTION) is no entry but every store in that
 * function that ends a read-modify-write of the byte with dev->dma_iommu in
 * it, found by decoding; the store's base register is the device.
 *
 * 'locks' are those held at entry whoever calls. A bind in addition owns the
 * device lock of its device from really_probe on. 'facts' are bits of
 * what is known of those who come by.
 */
#ifndef DMARACE_POINTS_H
#define DMARACE_POINTS_H

#include "dmarace_abi.h"

#define DMARACE_SYMS_MAX	6
#define DMARACE_SYM_ALSO	0x01	/* armed beside the other symbols */
#define DMARACE_SYM_PCI		0x02	/* 'dev' is a struct pci_dev */

struct dmarace_symbol {
	const char *name;
	signed char dev;
	signed char group;
	unsigned char flags;
};

struct dmarace_point_row {
	const char *name;
	unsigned char locks;
	unsigned char facts;
	const char *what;
	struct dmarace_symbol syms[DMARACE_SYMS_MAX];
};

#define DMARACE_POINT(name, locks, facts, what, ...) \
	{ name, locks, facts, what, { __VA_ARGS__ } }
#define DMARACE_SYM(name, dev, group)	{ name, dev, group, 0 }
#define DMARACE_ALSO(name, dev, group)	{ name, dev, group, DMARACE_SYM_ALSO }
#define DMARACE_RMW(function)	{ "rmw:" function, 0, -1, 0 }
#define DMARACE_PCI(name, dev, group)	{ name, dev, group, DMARACE_SYM_PCI }

/* Rows whose one symbol has their own name. */
#define DMARACE_FN(name, dev, group, locks, facts, what) \
	DMARACE_POINT(name, locks, facts, what, DMARACE_SYM(name, dev, group))
#define DMARACE_OPERATION(name, dev, locks, facts, what) \
	DMARACE_POINT("iommu_ops." name, locks, facts, what, \
		      DMARACE_SYM("ops:" name, dev, -1))
#define DMARACE_VIRTIO(name, dev, locks, what) \
	DMARACE_POINT(name, locks, DMARACE_SLEEPS, what, \
		      DMARACE_SYM("virtio_iommu:" name, dev, -1))

#define DMARACE_NONE	0
#define DMARACE_DEV	DMARACE_LOCK_DEVICE
#define DMARACE_PROBE	DMARACE_LOCK_PROBE
#define DMARACE_GROUP	DMARACE_LOCK_GROUP

/*
 * Locks are those of 6.5 and later where kernels differ. Rows without a
 * device are functions whose compiler-made variants shuffle their arguments.
 */
static const struct dmarace_point_row dmarace_point_rows[] = {
	/* An IOMMU arrives and walks the buses, or goes. */
	DMARACE_FN("iommu_device_register", 2, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_REGISTERING,
		   "an IOMMU instance registers; its own device is 'dev'"),
	DMARACE_FN("iommu_device_unregister", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "an IOMMU instance goes"),
	DMARACE_FN("bus_iommu_probe", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_REGISTERING,
		   "the walk of one bus begins (inlined in 7.x: hold iommu_device_register)"),
	DMARACE_FN("bus_set_iommu", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_REGISTERING,
		   "an IOMMU driver takes a bus (up to 5.19)"),
	DMARACE_FN("probe_iommu_group", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_REGISTERING,
		   "the bus walk meets a device; no lock held"),

	/* One device is probed by its IOMMU. */
	DMARACE_FN("iommu_probe_device", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a device is added, or a bind replays its IOMMU probe"),
	DMARACE_POINT("__iommu_probe_device", DMARACE_PROBE, DMARACE_SLEEPS,
		      "IOMMU probe of a device; in 7.x the part after iommu_init_device",
		      DMARACE_SYM("__iommu_probe_device", 0, -1),
		      DMARACE_SYM("__iommu_probe_device.part.0", 0, -1)),
	DMARACE_FN("iommu_init_device", 0, -1, DMARACE_PROBE,
		   DMARACE_SLEEPS | DMARACE_REGISTERING,
		   "before the unlocked dma_configure and ops->probe_device (7.x)"),
	DMARACE_FN("iommu_deinit_device", 0, -1, DMARACE_GROUP, DMARACE_SLEEPS,
		   "a device leaves its group; last one takes the domain along"),
	DMARACE_POINT("iommu_release_device", DMARACE_NONE, DMARACE_SLEEPS,
		      "a device is released (from 6.5: leaves its group)",
		      DMARACE_SYM("iommu_release_device", 0, -1),
		      DMARACE_SYM("__iommu_group_remove_device", 0, -1)),
	DMARACE_FN("__iommu_group_remove_device", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS,
		   "a device leaves its group, before the group's mutex"),
	DMARACE_POINT("__iommu_group_free_device", DMARACE_GROUP, DMARACE_SLEEPS,
		      "a group forgets a device",
		      DMARACE_SYM("__iommu_group_free_device.constprop.0", -1, -1)),
	DMARACE_FN("iommu_group_remove_device", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "a device leaves its group"),
	DMARACE_FN("iommu_bus_notifier", 2, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "the IOMMU core hears of a device added or removed"),
	DMARACE_FN("dev_iommu_free", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_PROBING, "dev->iommu is freed"),

	/* Groups. */
	DMARACE_FN("iommu_group_alloc", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_PROBING, "a group is made"),
	DMARACE_FN("pci_device_group", 0, -1, DMARACE_PROBE, DMARACE_SLEEPS,
		   "a PCI device looks for its group"),
	DMARACE_FN("generic_device_group", 0, -1, DMARACE_PROBE, DMARACE_SLEEPS,
		   "any other device gets its group"),
	DMARACE_FN("iommu_group_alloc_device", 1, 0, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_PROBING,
		   "the sysfs links of a group's device are made"),
	DMARACE_FN("iommu_group_add_device", 1, 0, DMARACE_NONE, DMARACE_SLEEPS,
		   "a device is added to a group (probe path up to 6.4)"),

	/* Default domains. */
	DMARACE_POINT("iommu_setup_default_domain", DMARACE_GROUP,
		      DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		      "a group gets or changes its default domain",
		      DMARACE_SYM("iommu_setup_default_domain", -1, 0),
		      DMARACE_SYM("iommu_group_alloc_default_domain", -1, 1)),
	DMARACE_POINT("__iommu_group_alloc_default_domain", DMARACE_GROUP,
		      DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		      "a default domain is allocated",
		      DMARACE_SYM("__iommu_group_alloc_default_domain.isra.0", -1, -1),
		      DMARACE_SYM("iommu_group_alloc_default_domain", -1, 1),
		      DMARACE_SYM("iommu_group_alloc_default_domain.isra.0", -1, -1)),
	DMARACE_POINT("__iommu_group_set_domain", DMARACE_GROUP,
		      DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		      "a domain is set for a whole group",
		      DMARACE_SYM("__iommu_group_set_domain_internal", -1, 0),
		      DMARACE_SYM("__iommu_group_set_domain", -1, 0)),
	DMARACE_POINT("__iommu_device_set_domain", DMARACE_GROUP,
		      DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		      "a domain is set for one device of a group",
		      DMARACE_SYM("__iommu_device_set_domain", 1, 0),
		      DMARACE_SYM("__iommu_attach_device", 1, -1)),
	DMARACE_FN("__iommu_attach_device", 1, -1, DMARACE_GROUP,
		   DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		   "a domain is attached to a device"),
	DMARACE_FN("__iommu_attach_group", -1, 1, DMARACE_GROUP,
		   DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		   "a domain is attached to a group"),
	DMARACE_POINT("iommu_create_device_direct_mappings", DMARACE_GROUP,
		      DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		      "reserved regions are mapped 1:1",
		      DMARACE_SYM("iommu_create_device_direct_mappings", 1, -1),
		      DMARACE_SYM("iommu_create_device_direct_mappings.isra.0", -1, -1)),
	DMARACE_FN("iommu_group_store_type", -1, 0, DMARACE_NONE,
		   DMARACE_SLEEPS, "a write to iommu_groups/N/type"),
	DMARACE_FN("iommu_change_dev_def_domain", -1, 0, DMARACE_NONE,
		   DMARACE_SLEEPS, "a group's type is changed (5.11 to 6.3)"),
	DMARACE_POINT("iommu_paging_domain_alloc", DMARACE_NONE, DMARACE_SLEEPS,
		      "a domain is allocated, a default one or a user's",
		      DMARACE_SYM("__iommu_paging_domain_alloc_flags", 0, -1),
		      DMARACE_SYM("__iommu_domain_alloc", -1, -1),
		      DMARACE_SYM("iommu_domain_alloc", -1, -1)),
	DMARACE_FN("iommu_domain_free", -1, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a domain is freed, a default one or a user's"),
	DMARACE_FN("iommu_get_dma_cookie", -1, -1, DMARACE_GROUP,
		   DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		   "a domain becomes one of the DMA API"),
	DMARACE_FN("iommu_get_resv_regions", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "the reserved regions of a device are listed"),
	DMARACE_FN("__iommu_group_set_core_domain", -1, 0, DMARACE_GROUP,
		   DMARACE_SLEEPS,
		   "a group goes back to its default or blocking domain"),
	DMARACE_FN("iommu_deferred_attach", 0, -1, DMARACE_NONE, 0,
		   "the first mapping after a crash kernel's boot attaches"),

	/* Who owns the DMA of a group: the DMA API of its drivers, or a user. */
	DMARACE_FN("iommu_group_claim_dma_owner", -1, 0, DMARACE_NONE,
		   DMARACE_SLEEPS, "a user claims a group's DMA (vfio)"),
	DMARACE_FN("iommu_group_release_dma_owner", -1, 0, DMARACE_NONE,
		   DMARACE_SLEEPS, "a user releases a group's DMA (vfio)"),
	DMARACE_FN("iommu_device_claim_dma_owner", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "a user claims a device's DMA (iommufd)"),
	DMARACE_FN("iommu_device_release_dma_owner", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "a user releases a device's DMA (iommufd)"),
	DMARACE_FN("__iommu_take_dma_ownership", -1, 0, DMARACE_GROUP,
		   DMARACE_SLEEPS, "the DMA of a group is about to be owned"),
	DMARACE_FN("__iommu_release_dma_ownership", -1, 0, DMARACE_GROUP,
		   DMARACE_SLEEPS, "the DMA of a group is about to be nobody's"),
	DMARACE_FN("iommu_attach_device", 1, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a user attaches its own domain to a device"),
	DMARACE_FN("iommu_detach_device", 1, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a user detaches its own domain from a device"),
	DMARACE_FN("iommu_attach_group", -1, 1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a user attaches its own domain to a group"),
	DMARACE_FN("iommu_detach_group", -1, 1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a user detaches its own domain from a group"),

	/* The DMA API is switched to the IOMMU. */
	DMARACE_FN("iommu_setup_dma_ops", 0, -1, DMARACE_GROUP,
		   DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		   "the DMA API of a device is switched (6.1: at bind, device lock)"),
	DMARACE_FN("arch_setup_dma_ops", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "coherency, and on 6.1 DMA operations, at bind"),
	DMARACE_FN("init_iova_domain", -1, -1, DMARACE_GROUP,
		   DMARACE_SLEEPS | DMARACE_PROBING_ONE,
		   "the address allocator of a DMA domain is set up"),
	DMARACE_FN("iommu_dma_init_fq", -1, -1, DMARACE_GROUP, DMARACE_SLEEPS,
		   "a domain goes from strict to lazy invalidation"),

	/*
	 * The byte with dev->dma_iommu is loaded and changed in a register,
	 * and about to be stored (6.12 to 7.1, arm64).
	 */
	DMARACE_POINT("arch_setup_dma_ops.rmw", DMARACE_NONE, DMARACE_SLEEPS,
		      "the coherency bit is about to be stored with its neighbours, at bind",
		      DMARACE_RMW("arch_setup_dma_ops")),
	DMARACE_POINT("iommu_setup_dma_ops.rmw", DMARACE_GROUP, DMARACE_SLEEPS,
		      "the IOMMU bit is about to be stored with its neighbours",
		      DMARACE_RMW("iommu_setup_dma_ops")),
	DMARACE_POINT("iommu_deinit_device.rmw", DMARACE_GROUP, DMARACE_SLEEPS,
		      "the IOMMU bit is about to be cleared with its neighbours",
		      DMARACE_RMW("iommu_deinit_device")),
	DMARACE_POINT("__driver_probe_device.rmw", DMARACE_DEV, DMARACE_SLEEPS,
		      "the can_match bit is about to be stored with its neighbours",
		      DMARACE_RMW("__driver_probe_device")),

	/* Firmware tells which IOMMU. */
	DMARACE_POINT("of_iommu_configure", DMARACE_NONE, DMARACE_SLEEPS,
		      "firmware tells the device's IOMMU (device tree or ACPI)",
		      DMARACE_SYM("of_iommu_configure", 0, -1),
		      DMARACE_ALSO("acpi_dma_configure_id", 0, -1)),
	DMARACE_POINT("of_iommu_xlate", DMARACE_PROBE, DMARACE_SLEEPS,
		      "one IOMMU specifier is translated (device tree or ACPI)",
		      DMARACE_SYM("of_iommu_xlate", 0, -1),
		      DMARACE_ALSO("iort_iommu_configure_id", 0, -1),
		      DMARACE_ALSO("viot_iommu_configure", 0, -1)),
	DMARACE_POINT("of_dma_configure_id", DMARACE_NONE, DMARACE_SLEEPS,
		      "DMA limits and IOMMU from firmware (device tree or ACPI)",
		      DMARACE_SYM("of_dma_configure_id", 0, -1),
		      DMARACE_ALSO("acpi_dma_configure_id", 0, -1)),
	DMARACE_FN("acpi_dma_configure_id", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "DMA limits and IOMMU from ACPI tables"),
	DMARACE_FN("iort_iommu_configure_id", 0, -1, DMARACE_PROBE,
		   DMARACE_SLEEPS, "the IORT table tells the device's IOMMU"),
	DMARACE_FN("iommu_fwspec_init", 0, -1, DMARACE_PROBE, DMARACE_SLEEPS,
		   "dev->iommu gets its fwspec"),
	DMARACE_FN("acpi_iommu_fwspec_init", 0, -1, DMARACE_PROBE,
		   DMARACE_SLEEPS, "one ID from ACPI tables goes into the fwspec"),
	DMARACE_FN("iommu_fwspec_free", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS | DMARACE_PROBING, "a fwspec is freed"),
	DMARACE_FN("driver_deferred_probe_check_state", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS,
		   "the IOMMU is not there yet: defer or go on without?"),
	DMARACE_POINT("pci_enable_acs", DMARACE_NONE, DMARACE_SLEEPS,
		      "access control is switched on: it decides the groups",
		      DMARACE_PCI("pci_enable_acs", 0, -1)),

	/* A driver binds; the walk calls the dma_configure ones as well. */
	DMARACE_FN("platform_dma_configure", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "dma_configure of the platform bus"),
	DMARACE_FN("pci_dma_configure", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "dma_configure of the PCI bus"),
	DMARACE_FN("amba_dma_configure", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "dma_configure of the AMBA bus"),
	DMARACE_FN("fsl_mc_dma_configure", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "dma_configure of the fsl-mc bus"),
	DMARACE_FN("iommu_device_use_default_domain", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS,
		   "a binding driver takes the group's default domain"),
	DMARACE_FN("iommu_device_unuse_default_domain", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS, "a driver gives the default domain back"),
	DMARACE_FN("driver_probe_device", 1, -1, DMARACE_DEV, DMARACE_SLEEPS,
		   "a driver is tried on a device"),
	DMARACE_FN("__driver_probe_device", 1, -1, DMARACE_DEV, DMARACE_SLEEPS,
		   "a driver is tried on a device, return value kept"),
	DMARACE_FN("really_probe", 0, -1, DMARACE_DEV, DMARACE_SLEEPS,
		   "dev->driver is about to be set, then dma_configure and probe"),
	DMARACE_FN("driver_bound", 0, -1, DMARACE_DEV, DMARACE_SLEEPS,
		   "probe() was right: the driver is about to be bound"),

	/* Who binds and unbinds: workers, sysfs, hotplug. */
	DMARACE_FN("device_add", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a device is added, before its bus hears of it"),
	DMARACE_FN("device_del", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a device is about to go"),
	DMARACE_FN("__device_attach", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "drivers are looked for, for a new device"),
	DMARACE_FN("__driver_attach", 0, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a new driver meets a device"),
	DMARACE_FN("__device_attach_async_helper", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "a worker binds a new device"),
	DMARACE_FN("__driver_attach_async_helper", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "a worker binds a new driver to a device"),
	DMARACE_FN("deferred_probe_work_func", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "the worker tries deferred devices again"),
	DMARACE_FN("deferred_probe_timeout_work_func", -1, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "the worker gives up on what is waited for"),
	DMARACE_FN("device_driver_attach", 1, -1, DMARACE_NONE, DMARACE_SLEEPS,
		   "a bind from sysfs"),
	DMARACE_FN("device_release_driver_internal", 0, -1, DMARACE_NONE,
		   DMARACE_SLEEPS, "an unbind, before the device's lock"),
	DMARACE_FN("device_links_check_suppliers", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS, "a bind asks for its suppliers"),
	DMARACE_FN("device_links_driver_bound", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS, "consumers hear that their supplier is bound"),
	DMARACE_FN("device_links_driver_cleanup", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS, "the links of an unbound device are put in order"),
	DMARACE_FN("device_links_unbind_consumers", 0, -1, DMARACE_DEV,
		   DMARACE_SLEEPS, "consumers are unbound before their supplier"),

	/* PCI reset (7.x). */
	DMARACE_POINT("pci_dev_reset_iommu_prepare", DMARACE_NONE, DMARACE_SLEEPS,
		      "the IOMMU blocks a device before its reset",
		      DMARACE_PCI("pci_dev_reset_iommu_prepare", 0, -1)),
	DMARACE_POINT("pci_dev_reset_iommu_done", DMARACE_NONE, DMARACE_SLEEPS,
		      "the IOMMU lets a device go on after its reset",
		      DMARACE_PCI("pci_dev_reset_iommu_done", 0, -1)),

	/*
	 * IOMMU drivers' operations, by address: those of every driver that
	 * has a device when the rule is added, or registers an instance while
	 * it is armed. For one driver alone, take the driver's own points.
	 */
	DMARACE_OPERATION("probe_device", 0, DMARACE_PROBE, DMARACE_SLEEPS,
			  "an IOMMU driver probes a client"),
	DMARACE_OPERATION("probe_finalize", 0, DMARACE_NONE, DMARACE_SLEEPS,
			  "an IOMMU driver ends the probe of a client"),
	DMARACE_OPERATION("release_device", 0, DMARACE_GROUP, DMARACE_SLEEPS,
			  "an IOMMU driver lets a client go"),
	DMARACE_OPERATION("device_group", 0, DMARACE_PROBE, DMARACE_SLEEPS,
			  "an IOMMU driver looks for a client's group"),
	DMARACE_OPERATION("of_xlate", 0, DMARACE_PROBE, DMARACE_SLEEPS,
			  "an IOMMU driver reads a specifier"),
	DMARACE_OPERATION("get_resv_regions", 0, DMARACE_NONE, DMARACE_SLEEPS,
			  "an IOMMU driver lists reserved regions"),
	DMARACE_OPERATION("def_domain_type", 0, DMARACE_GROUP, DMARACE_SLEEPS,
			  "an IOMMU driver is asked for a client's type"),
	DMARACE_OPERATION("attach_dev", 1, DMARACE_GROUP, DMARACE_SLEEPS,
			  "an IOMMU driver attaches a paging domain"),
	DMARACE_OPERATION("identity_domain.attach_dev", 1, DMARACE_GROUP,
			  DMARACE_SLEEPS,
			  "an IOMMU driver attaches the identity domain that all share"),
	DMARACE_OPERATION("blocked_domain.attach_dev", 1, DMARACE_GROUP,
			  DMARACE_SLEEPS,
			  "an IOMMU driver attaches the blocked domain that all share"),
	DMARACE_OPERATION("release_domain.attach_dev", 1, DMARACE_GROUP,
			  DMARACE_SLEEPS,
			  "an IOMMU driver attaches what a released client is left with"),
	DMARACE_OPERATION("flush_iotlb_all", -1, DMARACE_NONE, 0,
			  "an IOMMU driver forgets all translations of a domain"),

	/* virtio-iommu's own functions. */
	DMARACE_VIRTIO("viommu_probe", -1, DMARACE_NONE,
		       "virtio-iommu probes its own virtio device"),
	DMARACE_VIRTIO("viommu_probe_device", 0, DMARACE_PROBE,
		       "virtio-iommu probes a client; its instance lookup is in it"),
	DMARACE_VIRTIO("viommu_release_device", 0, DMARACE_GROUP,
		       "virtio-iommu lets a client go"),
	DMARACE_VIRTIO("viommu_attach_dev", 1, DMARACE_GROUP,
		       "virtio-iommu attaches a domain"),
	DMARACE_VIRTIO("viommu_device_group", 0, DMARACE_PROBE,
		       "virtio-iommu looks for a client's group"),
	DMARACE_VIRTIO("viommu_of_xlate", 0, DMARACE_PROBE,
		       "virtio-iommu reads a specifier"),
};

#define DMARACE_POINT_ROWS \
	(sizeof(dmarace_point_rows) / sizeof(struct dmarace_point_row))

#endif
