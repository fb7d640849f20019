// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: the layers from the lowest up, and rules=, which act
 * before the IOMMU driver is there, without an owner, each hold once, under one
 * budget.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/stringify.h>

#include "control.h"
#include "detour.h"
#include "devices.h"
#include "report.h"
#include "rules.h"

static char *rules_text;
module_param_named(rules, rules_text, charp, 0400);
MODULE_PARM_DESC(rules, "rules armed at load, as written to " DMARACE_DEV_PATH
		 ", with ; between them");

static bool is_watched(void)
{
	return owner_exists() || READ_ONCE(session.open);
}

static void raise_by_bus(const char *signal)
{
	signal_raise(signal, DMARACE_BY_BUS);
}

static bool is_group_held(void)
{
	return atomic_read(&session.held_group);
}

static const struct devices_hooks device_hooks = {
	.is_watched = is_watched,
	.raise = raise_by_bus,
	.is_group_held = is_group_held,
};

static int load_one(char *text, struct dmarace_request *req, char *reason,
		    size_t room)
{
	struct armed_rule *armed;
	int error;

	if (dmarace_parse(text, req, reason, room))
		return -EINVAL;
	if (req->verb != DMARACE_DO_RULE) {
		scnprintf(reason, room, "only rules can be loaded");
		return -EINVAL;
	}
	if (req->rule.name[0] && rules_have_name(req->rule.name)) {
		scnprintf(reason, room, "name: there is a rule '%s'",
			  req->rule.name);
		return -EINVAL;
	}
	armed = rule_stage(&req->rule, reason, room);
	if (IS_ERR(armed))
		return PTR_ERR(armed);
	armed->once = true;
	error = rule_commit(armed);
	if (error) {
		rule_unstage(armed);
		scnprintf(reason, room, "more than %d rules",
			  DMARACE_RULES_MAX);
	}
	return error;
}

/* Lines as they would be written, with ; between them. None acts yet. */
static int stage_loaded(char *text)
{
	struct dmarace_request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	char reason[DMARACE_REASON_MAX] = "no memory";
	int error = req ? 0 : -ENOMEM;
	char *one;

	mutex_lock(&setup_lock);
	while (!error && text) {
		one = strim(strsep(&text, ";"));
		if (*one)
			error = load_one(one, req, reason, sizeof(reason));
	}
	mutex_unlock(&setup_lock);
	if (error)
		pr_err("rules=: %s\n", reason);
	kfree(req);
	return error;
}

/* Cannot fail: a task that is away in here keeps the module. */
static void arm_loaded(void)
{
	mutex_lock(&setup_lock);
	/* Unless somebody was quick to open the device. */
	if (!owner_exists()) {
		session.budget_ns = DMARACE_LOAD_BUDGET_MS * 1000000LL;
		WRITE_ONCE(session.budgeted, true);
		session_open(DMARACE_WHY_LOAD, 0);
	}
	mutex_unlock(&setup_lock);
}

/* Whatever rules= armed and nobody adopted. */
static void drop_loaded(void)
{
	session_close(DMARACE_WHY_UNLOAD);
	mutex_lock(&setup_lock);
	session_drain();
	rules_drop();
	mutex_unlock(&setup_lock);
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

	error = detour_init(&engine_hooks);
	if (error)
		return error;
	error = owner_init();
	if (error)
		goto out_detour;
	error = devices_init(&device_hooks);
	if (error)
		goto out_owner;
	if (rules_text) {
		error = readers_keep_backlog();
		if (!error)
			error = stage_loaded(rules_text);
		if (error)
			goto out_rules;
	}
	/* Whoever opens it keeps the module: nothing behind this may fail. */
	error = control_init();
	if (error)
		goto out_rules;
	if (rules_text)
		arm_loaded();
	return 0;
out_rules:
	drop_loaded();
	devices_exit();
out_owner:
	owner_exit();
out_detour:
	detour_exit();
	return error;
}

static void __exit dmarace_exit_module(void)
{
	control_exit();
	devices_exit();
	owner_exit();
	drop_loaded();
	detour_exit();
}

module_init(dmarace_init);
module_exit(dmarace_exit_module);

MODULE_DESCRIPTION("Delays and holds of kernel threads in IOMMU probing");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");
/* What of kernel_has.c compiled: what this build takes its kernel for. */
MODULE_INFO(has, __stringify(DMARACE_HAS));
