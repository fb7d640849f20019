// SPDX-License-Identifier: GPL-2.0-only
/* What the simulated IOMMU or the driver of its clients does wrong, and when. */
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "sim.h"

static char *found = "added";
module_param(found, charp, 0444);
MODULE_PARM_DESC(found, "the core knows a client's IOMMU from when it is 'added' (default), or only when a 'walk' meets it");

static const char * const defects[] = {
	[SIM_DEFECT_NONE]		= "none",
	[SIM_DEFECT_LEAK_REF]		= "leak-ref",
	[SIM_DEFECT_DRIVER_LIST]	= "driver-list",
	[SIM_DEFECT_NO_GROUP]		= "no-group",
	[SIM_DEFECT_DOUBLE_PROBE]	= "double-probe",
	[SIM_DEFECT_ATTACH_FAILED]	= "attach-failed",
	[SIM_DEFECT_FWSPEC_LOST]	= "fwspec-lost",
	[SIM_DEFECT_MAP_ERROR]		= "map-error",
	[SIM_DEFECT_MAP_FAILS]		= "map-fails",
	[SIM_DEFECT_TYPE_MISMATCH]	= "type-mismatch",
	[SIM_DEFECT_ATTACH_FAILS]	= "attach-fails",
	[SIM_DEFECT_NO_FLUSH]		= "no-flush",
	[SIM_DEFECT_PROBE_FAILS]	= "probe-fails",
	[SIM_DEFECT_PROBE_DEFERS]	= "probe-defers",
	[SIM_DEFECT_PROBE_SLEEPS]	= "probe-sleeps",
	[SIM_DEFECT_WARN]		= "warn",
	[SIM_DEFECT_OOPS]		= "oops",
	[SIM_DEFECT_HANG]		= "hang",
	[SIM_DEFECT_PANIC]		= "panic",
};

static int defect;

static int defect_set(const char *text, const struct kernel_param *kp)
{
	int match = __sysfs_match_string(defects, ARRAY_SIZE(defects), text);

	if (match < 0)
		return match;
	WRITE_ONCE(defect, match);
	return 0;
}

static int defect_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%s\n", defects[READ_ONCE(defect)]);
}

static const struct kernel_param_ops defect_ops = {
	.set	= defect_set,
	.get	= defect_get,
};

module_param_cb(defect, &defect_ops, NULL, 0644);
MODULE_PARM_DESC(defect, "what the IOMMU or its clients' driver does wrong");

bool sim_has_defect(enum sim_defect which)
{
	return READ_ONCE(defect) == which;
}

bool sim_found_when_added(void)
{
	return !strcmp(found, "added");
}

/* Are the words of the parameters known? */
bool sim_found_is_valid(void)
{
	return sim_found_when_added() || !strcmp(found, "walk");
}
