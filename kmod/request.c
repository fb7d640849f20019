// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is written: first every line of a write is checked and made ready, then
 * all of them are done, so that a refusal leaves everything as it was. What
 * changes while a line sleeps is checked again for each of those behind it.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "control.h"
#include "devices.h"
#include "report.h"
#include "rules.h"

#define SETTLE_TRIES	20
#define SETTLE_PAUSE_US	1000

struct staged {
	struct list_head list;
	struct dmarace_request req;
	struct armed_rule *armed;
};

struct batch {
	struct list_head lines;
	struct file *file;
	struct reader *reader;
	unsigned int rules;		/* there will be so many */
	bool cleared;
	bool owns;			/* asks for what only the owner may */
	char reason[DMARACE_REASON_MAX];
	char id[DMARACE_NAME_MAX];
	int error;
};

static void reply_begin(struct line *line, const char *re, bool ok)
{
	line_begin(line, DMARACE_E_REPLY);
	line_str(line, DMARACE_K_RE, re);
	line_num(line, DMARACE_K_OK, ok);
}

static const char *name_of(const struct dmarace_request *req)
{
	return req->id[0] ? req->id : dmarace_verb_name(req->verb);
}

static void say_error(struct batch *batch, const char *re, int error)
{
	struct line line;

	reply_begin(&line, re, false);
	line_str(&line, DMARACE_K_ERR, dmarace_error_name(error));
	line_str(&line, DMARACE_K_REASON, batch->reason);
	line_send(&line, batch->reader);
}

static bool is_owners(enum dmarace_verb verb)
{
	return verb >= DMARACE_DO_RULE;
}

static __printf(3, 4) int because(struct batch *batch, int error,
				  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vscnprintf(batch->reason, sizeof(batch->reason), format, args);
	va_end(args);
	return error;
}

static bool name_is_staged(const struct batch *batch, const char *name)
{
	const struct staged *other;

	list_for_each_entry(other, &batch->lines, list)
		if (other->armed && !strcmp(other->armed->rule.name, name))
			return true;
	return false;
}

static int stage_rule(struct batch *batch, struct staged *staged)
{
	struct dmarace_rule *rule = &staged->req.rule;

	if (batch->rules == DMARACE_RULES_MAX)
		return because(batch, -EINVAL, "more than %d rules",
			       DMARACE_RULES_MAX);
	if (!rule->name[0])
		scnprintf(rule->name, sizeof(rule->name), "%u",
			  batch->rules + 1);
	if (name_is_staged(batch, rule->name) ||
	    (!batch->cleared && rules_have_name(rule->name)))
		return because(batch, -EINVAL, "name: there is a rule '%s'",
			       rule->name);
	staged->armed = rule_stage(rule, batch->reason, sizeof(batch->reason));
	if (IS_ERR(staged->armed)) {
		int error = PTR_ERR(staged->armed);

		staged->armed = NULL;
		return error;
	}
	batch->rules++;
	return 0;
}

/* dev= of audit and where. */
static int stage_device(struct batch *batch, const struct dmarace_request *req)
{
	struct device *dev;

	if (req->verb == DMARACE_DO_WHERE && where_allowed())
		return because(batch, -EPERM,
			       "where: lockdown keeps the kernel's memory from being read");
	if (!req->dev[0])
		return 0;
	dev = device_find(req->dev);
	if (!dev)
		return because(batch, -ENODEV, "dev: there is no '%s'",
			       req->dev);
	put_device(dev);
	return 0;
}

static int stage(struct batch *batch, struct staged *staged)
{
	const struct dmarace_request *req = &staged->req;
	bool clearing = req->verb == DMARACE_DO_CLEAR;
	int error;

	if (is_owners(req->verb)) {
		error = owner_check(batch->file, clearing || batch->cleared,
				    batch->reason, sizeof(batch->reason));
		if (error)
			return error;
		batch->owns = true;
	}
	switch (req->verb) {
	case DMARACE_DO_RULE:
		return stage_rule(batch, staged);
	case DMARACE_DO_AUDIT:
	case DMARACE_DO_WHERE:
		return stage_device(batch, req);
	case DMARACE_DO_ACTOR:
		if (!actor_pid(req->pid))
			return because(batch, -ESRCH,
				       "pid: there is no process %lld",
				       req->pid);
		return 0;
	case DMARACE_DO_CLEAR:
		batch->cleared = true;
		batch->rules = 0;
		return 0;
	default:
		return 0;
	}
}

static int take_line(struct batch *batch, char *text)
{
	struct staged *staged = kzalloc(sizeof(*staged), GFP_KERNEL);
	size_t length = strlen(text);
	int error;

	if (!staged)
		return because(batch, -ENOMEM, "no memory");
	list_add_tail(&staged->list, &batch->lines);
	strscpy(batch->id, "?", sizeof(batch->id));
	if (length >= DMARACE_LINE_MAX)
		return because(batch, -EINVAL, "a line of %zu bytes, %d at most",
			       length, DMARACE_LINE_MAX - 1);
	if (dmarace_parse(text, &staged->req, batch->reason,
			  sizeof(batch->reason)))
		error = -EINVAL;
	else
		error = stage(batch, staged);
	if (error)
		strscpy(batch->id, staged->req.id[0] ? staged->req.id : text,
			sizeof(batch->id));
	return error;
}

/* Mappings sleep and may take long: setup_lock is let go meanwhile. */
static int do_audit(const struct dmarace_request *req, struct reader *to)
{
	struct device *dev;

	mutex_unlock(&setup_lock);
	if (!req->dev[0]) {
		audit_all(req->map, to);
	} else {
		dev = device_find(req->dev);
		if (dev)
			audit_on_demand(dev, req->map, to);
		put_device(dev);
	}
	mutex_lock(&setup_lock);
	return req->dev[0] && !dev ? -ENODEV : 0;
}

static int do_where(const struct dmarace_request *req, struct reader *to)
{
	struct device *dev = device_find(req->dev);

	if (!dev)
		return -ENODEV;
	where_tell(dev, req->dev, to);
	put_device(dev);
	return 0;
}

/* A worker without work sleeps idle; one that was woken for some is seen before it runs. */
static bool thread_rests(const struct task_struct *task)
{
	unsigned int state = compat_task_state(task);

	if (task->flags & PF_WQ_WORKER)
		return state == TASK_IDLE;
	return state != TASK_RUNNING && !(state & (TASK_WAKING | TASK_NEW)) &&
	       (state & TASK_IDLE) != TASK_UNINTERRUPTIBLE;
}

/*
 * Whether there was a moment at which no thread of the kernel had anything to do: all rest in two
 * looks, and none ran between them.
 */
static bool threads_rest(void)
{
	unsigned long switches[2] = {};
	struct task_struct *task;
	bool rest = true;
	int look;

	rcu_read_lock();
	for (look = 0; look < 2; look++) {
		for_each_process(task) {
			if (!(task->flags & PF_KTHREAD))
				continue;
			rest = rest && thread_rests(task);
			switches[look] += READ_ONCE(task->nvcsw) +
					  READ_ONCE(task->nivcsw);
		}
		/* The states of the second look are newer than all of the first. */
		smp_rmb();
	}
	rcu_read_unlock();
	return rest && switches[0] == switches[1];
}

/*
 * Probing may wait for a held task, which setup_lock must not. What a probe has woken may be
 * another one: whoever has work is given a while.
 */
static void do_settle(void)
{
	int tries = SETTLE_TRIES;

	mutex_unlock(&setup_lock);
	do {
		wait_for_device_probe();
		if (threads_rest())
			break;
		usleep_range(SETTLE_PAUSE_US, 2 * SETTLE_PAUSE_US);
	} while (--tries);
	mutex_lock(&setup_lock);
}

static void do_clear(void)
{
	session_close(DMARACE_WHY_CLEAR);
	session_drain();
	rules_drop();
	signals_forget();
	owner_forgive();
}

static void do_disarm(void)
{
	session_close(DMARACE_WHY_DISARM);
	session_drain();
	rules_report_counts(NULL);
}

/* Only what has changed since the request was checked can still fail. */
static int execute(const struct dmarace_request *req, struct armed_rule *armed,
		   struct reader *to)
{
	switch (req->verb) {
	case DMARACE_DO_POINTS:
		return points_report(to);
	case DMARACE_DO_AUDIT:
		return do_audit(req, to);
	case DMARACE_DO_WHERE:
		return do_where(req, to);
	case DMARACE_DO_SETTLE:
		do_settle();
		return 0;
	case DMARACE_DO_RULE:
		return rule_commit(armed);
	case DMARACE_DO_ACTOR:
		return actor_set(req->name, req->pid);
	case DMARACE_DO_SIGNAL:
		signal_raise(req->name, DMARACE_BY_OWNER);
		return 0;
	case DMARACE_DO_ARM:
		hold_read_limit();
		return owner_arm(req->seed);
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
static void say_words(const struct dmarace_request *req, struct line *line)
{
	if (req->verb == DMARACE_DO_ABI || req->verb == DMARACE_DO_STATUS)
		line_num(line, DMARACE_K_ABI, DMARACE_ABI);
	if (req->verb == DMARACE_DO_SETTLE)
		line_num(line, DMARACE_K_REST, threads_rest());
	if (req->verb != DMARACE_DO_STATUS)
		return;
	owner_report(line);
	line_str(line, DMARACE_K_GATE, READ_ONCE(session.open) ?
		 DMARACE_STATE_OPEN : DMARACE_STATE_CLOSED);
	line_num(line, DMARACE_K_RULES, rule_count);
	line_num(line, DMARACE_K_HELD, atomic_read(&session.held));
	line_num(line, DMARACE_K_NMISSED, probes_missed());
	contention_report(line);
}

static void say_ok(struct batch *batch, const struct dmarace_request *req)
{
	struct line line;

	reply_begin(&line, name_of(req), true);
	say_words(req, &line);
	line_send(&line, batch->reader);
	if (req->verb == DMARACE_DO_STATUS)
		rules_report_counts(batch->reader);
}

/* Ownership may have been lost since, while a line before this one slept. */
static int still_owns(struct batch *batch, const struct dmarace_request *req)
{
	batch->reason[0] = '\0';
	if (!is_owners(req->verb))
		return 0;
	return owner_check(batch->file, req->verb == DMARACE_DO_CLEAR,
			   batch->reason, sizeof(batch->reason));
}

static void answer(struct batch *batch, struct staged *staged)
{
	const struct dmarace_request *req = &staged->req;
	int error = still_owns(batch, req);

	if (!error)
		error = execute(req, staged->armed, batch->reader);
	if (error) {
		say_error(batch, name_of(req), error);
		return;
	}
	/* A rule is no longer the batch's. */
	staged->armed = NULL;
	say_ok(batch, req);
}

static void batch_free(struct batch *batch)
{
	struct staged *staged, *next;

	list_for_each_entry_safe(staged, next, &batch->lines, list) {
		if (staged->armed)
			rule_unstage(staged->armed);
		kfree(staged);
	}
}

static int batch_run(struct batch *batch, char *text, size_t length)
{
	struct staged *staged;

	if (text[length - 1] != '\n' || strlen(text) != length) {
		strscpy(batch->id, "?", sizeof(batch->id));
		batch->error = because(batch, -EINVAL, strlen(text) != length ?
				       "a zero byte" :
				       "the last line has no newline");
	}
	while (!batch->error && *text)
		batch->error = take_line(batch, strsep(&text, "\n"));
	if (batch->error) {
		say_error(batch, batch->id, batch->error);
		return batch->error;
	}
	if (batch->owns)
		owner_take(batch->file);
	owner_renew(batch->file);
	list_for_each_entry(staged, &batch->lines, list)
		answer(batch, staged);
	owner_renew(batch->file);
	return 0;
}

/* Returns what write() does on an error. text is cut up. */
int request_write(struct file *file, struct reader *reader, char *text,
		  size_t length)
{
	struct batch *batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	int error;

	if (!batch)
		return -ENOMEM;
	INIT_LIST_HEAD(&batch->lines);
	batch->file = file;
	batch->reader = reader;
	mutex_lock(&setup_lock);
	batch->rules = rule_count;
	error = batch_run(batch, text, length);
	batch_free(batch);
	mutex_unlock(&setup_lock);
	kfree(batch);
	if (error && error != -EBUSY && error != -EPERM && error != -ENOMEM)
		error = -EINVAL;
	return error;
}

