// SPDX-License-Identifier: GPL-2.0-only
/* This file does what a checked request asks for. Under control_lock. */
#include <linux/device.h>
#include <linux/mutex.h>

#include "dmarace.h"

/* Mappings sleep and may take long: control_lock is let go meanwhile. */
static int do_audit(const struct dmarace_request *req, struct reader *to)
{
	struct device *dev;

	mutex_unlock(&control_lock);
	if (!req->dev[0]) {
		audit_all(req->map, to);
	} else {
		dev = bus_find(req->dev);
		if (dev)
			audit_on_demand(dev, req->map, to);
		put_device(dev);
	}
	mutex_lock(&control_lock);
	return req->dev[0] && !dev ? -ENODEV : 0;
}

/* Probing may wait for a held task, which control_lock must not. */
static void do_settle(void)
{
	mutex_unlock(&control_lock);
	wait_for_device_probe();
	mutex_lock(&control_lock);
}

static void do_clear(void)
{
	gate_close(DMARACE_WHY_CLEAR);
	gate_drain();
	rules_drop();
	owner_forgive();
}

static void do_disarm(void)
{
	gate_close(DMARACE_WHY_DISARM);
	gate_drain();
	rules_report_counts(NULL);
}

/* Only what has changed since the request was checked can still fail. */
int request_execute(const struct dmarace_request *req,
		    struct armed_rule *armed, struct reader *to)
{
	switch (req->verb) {
	case DMARACE_DO_POINTS:
		return points_report(to);
	case DMARACE_DO_AUDIT:
		return do_audit(req, to);
	case DMARACE_DO_SETTLE:
		do_settle();
		return 0;
	case DMARACE_DO_RULE:
		rule_commit(armed);
		return 0;
	case DMARACE_DO_ACTOR:
		return actor_set(req->name, req->pid);
	case DMARACE_DO_SIGNAL:
		signal_raise(req->name, DMARACE_BY_OWNER);
		return 0;
	case DMARACE_DO_ARM:
		hold_read_limit();
		gate_open(DMARACE_WHY_ARM, req->seed);
		return 0;
	case DMARACE_DO_DISARM:
		do_disarm();
		return 0;
	case DMARACE_DO_CLEAR:
		do_clear();
		return 0;
	case DMARACE_DO_UEVENT:
		return control_uevent(req);
	default:
		return 0;
	}
}

/* What the reply of a request that succeeded says besides. */
void request_words(const struct dmarace_request *req, struct line *line)
{
	if (req->verb == DMARACE_DO_ABI || req->verb == DMARACE_DO_STATUS)
		line_num(line, DMARACE_K_ABI, DMARACE_ABI);
	if (req->verb != DMARACE_DO_STATUS)
		return;
	owner_report(line);
	line_str(line, DMARACE_K_GATE, READ_ONCE(state.open) ?
		 DMARACE_STATE_OPEN : DMARACE_STATE_CLOSED);
	line_num(line, DMARACE_K_RULES, rule_count);
	line_num(line, DMARACE_K_HELD, atomic_read(&state.held));
	line_num(line, DMARACE_K_NMISSED, probes_missed());
}
