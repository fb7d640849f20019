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
 * module loads.
 *
 * 'locks' are those held at entry whoever calls. A bind in addition owns the
 * device lock of its device from really_probe on.
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
	unsigned char sleeps;
	const char *what;
	struct dmarace_symbol syms[DMARACE_SYMS_MAX];
};

#define DMARACE_POINT(name, locks, sleeps, what, ...) \
	{ name, locks, sleeps, what, { __VA_ARGS__ } }
#define DMARACE_SYM(name, dev, group)	{ name, dev, group, 0 }
#define DMARACE_ALSO(name, dev, group)	{ name, dev, group, DMARACE_SYM_ALSO }

static const struct dmarace_point_row dmarace_point_rows[] = {
	DMARACE_POINT("probe_iommu_group", 0, 1,
		"the bus walk meets a device; no lock held",
		DMARACE_SYM("probe_iommu_group", 0, -1)),
	DMARACE_POINT("of_iommu_configure", 0, 1,
		"firmware tells the device's IOMMU (device tree or ACPI)",
		DMARACE_SYM("of_iommu_configure", 0, -1),
		DMARACE_ALSO("acpi_dma_configure_id", 0, -1)),
};

#define DMARACE_POINT_ROWS \
	(sizeof(dmarace_point_rows) / sizeof(dmarace_point_rows[0]))

#endif
