// SPDX-License-Identifier: GPL-2.0-only
/* This file loads and unloads dmarace.ko. */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/stringify.h>

#include "dmarace.h"

static char *rules_text;
module_param_named(rules, rules_text, charp, 0400);
MODULE_PARM_DESC(rules, "rules armed at load, as written to " DMARACE_DEV_PATH
		 ", with ; between them");

/* Whatever rules= armed and nobody adopted. */
static void drop_loaded(void)
{
	gate_close(DMARACE_WHY_UNLOAD);
	mutex_lock(&control_lock);
	gate_drain();
	rules_drop();
	mutex_unlock(&control_lock);
	readers_forget_backlog();
	/*
	 * Every detoured call held a module reference until its last
	 * instructions here; this waits for those.
	 */
	synchronize_rcu_tasks();
}

static int __init dmarace_init(void)
{
	int error;

	error = detour_init();
	if (error)
		return error;
	error = probes_init();
	if (error)
		goto out_detour;
	error = owner_init();
	if (error)
		goto out_probes;
	error = bus_init();
	if (error)
		goto out_bus;
	if (rules_text) {
		error = load_rules(rules_text);
		if (error)
			goto out_rules;
	}
	error = control_init();
	if (!error)
		return 0;
out_rules:
	drop_loaded();
out_bus:
	bus_exit();
	owner_exit();
out_probes:
	probes_exit();
out_detour:
	detour_exit();
	return error;
}

static void __exit dmarace_exit_module(void)
{
	control_exit();
	bus_exit();
	owner_exit();
	probes_exit();
	drop_loaded();
	detour_exit();
}

module_init(dmarace_init);
module_exit(dmarace_exit_module);

MODULE_DESCRIPTION("Delays and holds of kernel threads in IOMMU probing");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");
/* Which of probes/ compiled: what this build takes its kernel for. */
MODULE_INFO(has, __stringify(DMARACE_HAS));
