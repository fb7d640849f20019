// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file arms rules= when the module is loaded: before the IOMMU driver,
 * without an owner, each hold once, under one budget.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dmarace.h"

static int load_one(char *text, struct dmarace_request *req, char *reason,
		    size_t room)
{
	struct armed_rule *armed;

	if (dmarace_parse(text, req, reason, room))
		return -EINVAL;
	if (req->verb != DMARACE_DO_RULE) {
		scnprintf(reason, room, "only rules can be loaded");
		return -EINVAL;
	}
	if (rule_count == DMARACE_RULES_MAX) {
		scnprintf(reason, room, "more than %d rules",
			  DMARACE_RULES_MAX);
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
	rule_commit(armed);
	return 0;
}

/* Opens the gate without forgetting that the rules are loaded ones. */
static void arm_loaded(void)
{
	unsigned int i;

	gate_open(DMARACE_WHY_LOAD, 0);
	for (i = 0; i < rule_count; i++)
		rules[i].once = true;
	state.budget_ns = DMARACE_LOAD_BUDGET_MS * 1000000LL;
	WRITE_ONCE(state.budgeted, true);
}

/* Lines as they would be written, with ; between them. */
int load_rules(char *text)
{
	struct dmarace_request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	char reason[DMARACE_REASON_MAX];
	int error = req ? 0 : -ENOMEM;
	char *one;

	if (!error)
		error = readers_keep_backlog();
	mutex_lock(&control_lock);
	while (!error && text) {
		one = strim(strsep(&text, ";"));
		if (*one)
			error = load_one(one, req, reason, sizeof(reason));
		if (error)
			pr_err("rules=: %s\n", reason);
	}
	if (!error)
		arm_loaded();
	else
		rules_drop();
	mutex_unlock(&control_lock);
	kfree(req);
	return error;
}
