// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks that wait: for signals, for a time, never longer than the caps, and
 * never past the end of the session or a fatal signal.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/wait.h>

#include "report.h"
#include "rules.h"

#define HUNG_TASK	"/proc/sys/kernel/hung_task_timeout_secs"

#define SPIN_NS		20000	/* below, sleeping takes longer than waiting */

static s64 hold_max_ns = DMARACE_HOLD_MAX_MS * NSEC_PER_MSEC;

void hold_read_limit(void)
{
	s64 limit = DMARACE_HOLD_MAX_MS;
	char text[24] = "";
	struct file *file;
	loff_t at = 0;
	int seconds;

	file = filp_open(HUNG_TASK, O_RDONLY, 0);
	if (!IS_ERR(file)) {
		kernel_read(file, text, sizeof(text) - 1, &at);
		filp_close(file, NULL);
		if (!kstrtoint(strim(text), 10, &seconds) && seconds > 0)
			limit = min_t(s64, limit, seconds * MSEC_PER_SEC / 2);
	}
	hold_max_ns = limit * NSEC_PER_MSEC;
}

/* Without CONFIG_PREEMPT_COUNT a spinlock is invisible: so the row decides too. */
bool hold_possible(const struct armed_rule *armed)
{
	return armed->may_sleep && !preempt_count() && !irqs_disabled() &&
	       !rcu_preempt_depth();
}

struct wait {
	const struct armed_rule *armed;	/* NULL: only time ends it */
	u32 epoch;
	ktime_t until;
	const char *how;
	const char *by;
};

static bool ended_by_signal(struct wait *wait)
{
	const struct armed_rule *armed = wait->armed;
	unsigned int i;

	for (i = 0; i < armed->rule.waits; i++) {
		if (signal_is_up(armed->wait_id[i])) {
			wait->how = DMARACE_HOW_MET;
			wait->by = signal_name(armed->wait_id[i]);
			return true;
		}
	}
	for (i = 0; i < armed->rule.waits; i++) {
		if (signal_is_up(armed->blocked_id[i])) {
			wait->how = DMARACE_HOW_BLOCKED;
			wait->by = signal_name(armed->blocked_id[i]);
			return true;
		}
	}
	return false;
}

static bool ended(struct wait *wait)
{
	if (wait->armed && ended_by_signal(wait))
		return true;
	if (!session_is_open(wait->epoch))
		wait->how = DMARACE_HOW_RELEASED;
	else if (fatal_signal_pending(current))
		wait->how = DMARACE_HOW_KILLED;
	else if (ktime_compare(ktime_get(), wait->until) >= 0)
		wait->how = DMARACE_HOW_TIMEOUT;
	return wait->how;
}

static void park(struct wait *wait)
{
	DEFINE_WAIT(entry);

	for (;;) {
		prepare_to_wait(&session.wait, &entry, TASK_KILLABLE);
		if (ended(wait))
			break;
		schedule_hrtimeout(&wait->until, HRTIMER_MODE_ABS);
	}
	finish_wait(&session.wait, &entry);
}

static noinline_for_stack void report_held(const struct armed_rule *armed,
					   const struct call *call, s64 timeout)
{
	const struct dmarace_rule *rule = &armed->rule;
	char names[DMARACE_WAITS_MAX * DMARACE_NAME_MAX];
	struct line line;
	unsigned int i, at = 0;

	for (i = 0; i < rule->waits; i++)
		at += scnprintf(names + at, sizeof(names) - at, "%s%s",
				i ? "," : "", rule->wait[i]);
	line_begin(&line, DMARACE_E_HELD);
	line_str(&line, DMARACE_K_RULE, rule->name);
	line_str(&line, DMARACE_K_POINT, rule->point);
	line_str(&line, DMARACE_K_ON, rule->on_exit ? DMARACE_ON_EXIT :
		 DMARACE_ON_ENTER);
	line_str(&line, DMARACE_K_WAIT_FOR, names);
	line_num(&line, DMARACE_K_TIMEOUT_US, div_s64(timeout, 1000));
	line_task(&line);
	line_str(&line, DMARACE_K_DEV, call->dev);
	line_send(&line, NULL);
}

static noinline_for_stack void report_end(const struct armed_rule *armed,
					  const struct wait *wait, s64 held)
{
	struct line line;

	line_begin(&line, DMARACE_E_END);
	line_str(&line, DMARACE_K_RULE, armed->rule.name);
	line_str(&line, DMARACE_K_HOW, wait->how);
	line_str(&line, DMARACE_K_BY, wait->by);
	line_num(&line, DMARACE_K_HELD_US, div_s64(held, 1000));
	line_task(&line);
	line_send(&line, NULL);
}

static void count_end(struct armed_rule *armed, const struct wait *wait,
		      s64 held)
{
	unsigned long flags;

	spin_lock_irqsave(&session.lock, flags);
	if (!strcmp(wait->how, DMARACE_HOW_MET))
		armed->met++;
	else if (!strcmp(wait->how, DMARACE_HOW_BLOCKED))
		armed->blocked++;
	else if (!strcmp(wait->how, DMARACE_HOW_TIMEOUT))
		armed->timeout++;
	else
		armed->released++;
	session.budget_ns -= held;
	spin_unlock_irqrestore(&session.lock, flags);
}

static s64 timeout_now(const struct armed_rule *armed)
{
	s64 timeout = min_t(s64, armed->rule.timeout, hold_max_ns);

	if (READ_ONCE(session.budgeted))
		timeout = clamp_t(s64, READ_ONCE(session.budget_ns), 0, timeout);
	return timeout;
}

void hold_wait(struct armed_rule *armed, const struct call *call)
{
	bool group = call->probe->locks & DMARACE_LOCK_GROUP;
	s64 timeout = timeout_now(armed);
	struct wait wait = { .armed = armed, .epoch = call->epoch };
	ktime_t start = ktime_get();
	s64 held;

	wait.until = ktime_add_ns(start, timeout);
	report_held(armed, call, timeout);
	atomic_inc(&session.held);
	atomic_add(group, &session.held_group);
	park(&wait);
	atomic_sub(group, &session.held_group);
	atomic_dec(&session.held);
	held = ktime_to_ns(ktime_sub(ktime_get(), start));
	count_end(armed, &wait, held);
	report_end(armed, &wait, held);
}

void hold_delay(const struct armed_rule *armed, s64 ns, u32 epoch)
{
	struct wait wait = { .epoch = epoch };
	struct line line;

	line_begin(&line, DMARACE_E_DELAY);
	line_str(&line, DMARACE_K_RULE, armed->rule.name);
	line_num(&line, DMARACE_K_US, div_s64(ns, 1000));
	line_task(&line);
	line_send(&line, NULL);
	wait.until = ktime_add_ns(ktime_get(), ns);
	if (ns > SPIN_NS)
		park(&wait);
	else
		while (ktime_compare(ktime_get(), wait.until) < 0)
			cpu_relax();
}
