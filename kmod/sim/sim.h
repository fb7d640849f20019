/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the simulated IOMMU share, the lowest first. */
#ifndef DMARACE_SIM_H
#define DMARACE_SIM_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/string.h>
#include <linux/types.h>

#define SIM_NAME	"dmarace-sim"
#define SIM_CLIENT	"dmarace-sim-client"
#define SIM_COMPATIBLE	"dmarace,sim-client"	/* in a device tree */
#define SIM_INSTANCE	"dmarace-sim-instance"
#define SIM_CLIENTS_MAX	100000	/* a mistyped number must not eat all memory */

/* What the simulated driver does wrong, by its word in defect=. */
enum sim_defect {
	SIM_DEFECT_NONE,
	SIM_DEFECT_LEAK_REF,
	SIM_DEFECT_DRIVER_LIST,
	SIM_DEFECT_NO_GROUP,
	SIM_DEFECT_DOUBLE_PROBE,
	SIM_DEFECT_ATTACH_FAILED,
	SIM_DEFECT_FWSPEC_LOST,
	SIM_DEFECT_MAP_ERROR,
	SIM_DEFECT_MAP_FAILS,
	SIM_DEFECT_TYPE_MISMATCH,
	SIM_DEFECT_ATTACH_FAILS,
	SIM_DEFECT_NO_FLUSH,
	SIM_DEFECT_PROBE_FAILS,
	SIM_DEFECT_PROBE_DEFERS,
	SIM_DEFECT_PROBE_SLEEPS,
	SIM_DEFECT_WARN,
	SIM_DEFECT_OOPS,
	SIM_DEFECT_HANG,
	SIM_DEFECT_PANIC,
};

struct sim {
	struct platform_device *pdev;	/* the IOMMU's own device */
	struct iommu_device iommu;
	bool registered;
	atomic_t walking;		/* walks under way */
};

/* main.c: parameters */
bool sim_has_defect(enum sim_defect defect);
bool sim_found_when_added(void);

/* iommu.c */
extern struct sim sim;
extern const struct iommu_ops sim_ops;
/* groups: how many the clients share, one after the other; 0: one for each. */
int sim_iommu_register(unsigned int clients, unsigned int groups);
void sim_iommu_unregister(void);
const struct iommu_ops *sim_walk_ops(void);
int sim_walk(void);
int sim_walk_init(void);
void sim_walk_exit(void);

static inline bool sim_is_client(struct device *dev)
{
	return dev->bus == &platform_bus_type &&
	       !strcmp(to_platform_device(dev)->name, SIM_CLIENT);
}

/* client.c */
int sim_clients_add(void);
int sim_client_remove(const char *name);
int sim_clients_init(unsigned int count);
void sim_clients_exit(void);
int sim_driver_register(void);
void sim_driver_unregister(void);

#endif
