// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules on a call, in the task's own context: which of them match, which of
 * those act by number and chance, and what acting does. A task waits for
 * signals or for a time, never longer than the caps, and never past the end of
 * the session or a fatal signal.
 */
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/wait.h>

#include "compat.h"
#include "devices.h"
#include "report.h"
#include "rules.h"

#define HUNG_TASK	"/proc/sys/kernel/hung_task_timeout_secs"
#define SPIN_NS		20000	/* below, sleeping takes longer than waiting */
#define DEVICE_HITS	16384	/* pairs of a rule that draws and a device, a power of two */
#define DEVICE_TRIES	64

static s64 hold_max_ns = DMARACE_HOLD_MAX_MS * NSEC_PER_MSEC;

void hold_read_limit(void)
{
	s64 limit = DMARACE_HOLD_MAX_MS;
	char text[24];
	int seconds;

	if (compat_read_file(HUNG_TASK, text, sizeof(text)) > 0 &&
	    !kstrtoint(strim(text), 10, &seconds) && seconds > 0)
		limit = min_t(s64, limit, seconds * MSEC_PER_SEC / 2);
	hold_max_ns = limit * NSEC_PER_MSEC;
}

/* Without CONFIG_PREEMPT_COUNT a spinlock is invisible: so the row decides too. */
static bool hold_possible(const struct armed_rule *armed)
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

bool hold_is_met(const struct armed_rule *armed)
{
	unsigned int i;

	for (i = 0; i < armed->rule.waits; i++)
		if (signal_is_up(armed->wait_id[i]))
			return true;
	return false;
}

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

	atomic_inc(&session.asleep);
	for (;;) {
		prepare_to_wait(&session.wait, &entry, TASK_KILLABLE);
		if (ended(wait))
			break;
		schedule_hrtimeout(&wait->until, HRTIMER_MODE_ABS);
	}
	finish_wait(&session.wait, &entry);
	atomic_dec(&session.asleep);
}

static void say_rule(struct line *line, const struct dmarace_rule *rule)
{
	line_str(line, DMARACE_K_RULE, rule->name);
	line_str(line, DMARACE_K_POINT, rule->point);
	line_str(line, DMARACE_K_ON, rule->on_exit ? DMARACE_ON_EXIT :
		 DMARACE_ON_ENTER);
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
	say_rule(&line, rule);
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
	if (armed->once)
		session.budget_ns -= held;
	spin_unlock_irqrestore(&session.lock, flags);
}

/*
 * What a call may still sleep: all that rules do to one call adds up for who
 * waits for the same mutex.
 */
static s64 time_left(const struct call *call)
{
	return max_t(s64, hold_max_ns - call->slept, 0);
}

static s64 timeout_now(const struct armed_rule *armed, const struct call *call)
{
	s64 timeout = min_t(s64, armed->rule.timeout, time_left(call));

	if (READ_ONCE(armed->once))
		timeout = clamp_t(s64, READ_ONCE(session.budget_ns), 0, timeout);
	return timeout;
}

static void hold_wait(struct armed_rule *armed, struct call *call)
{
	s64 timeout = timeout_now(armed, call);
	struct wait wait = { .armed = armed, .epoch = call->epoch };
	struct holder holder;
	ktime_t start = ktime_get();
	s64 held;

	wait.until = ktime_add_ns(start, timeout);
	report_held(armed, call, timeout);
	atomic_inc(&session.held);
	holder_add(&holder, armed);
	park(&wait);
	holder_remove(&holder);
	atomic_dec(&session.held);
	held = ktime_to_ns(ktime_sub(ktime_get(), start));
	call->slept += held;
	count_end(armed, &wait, held);
	report_end(armed, &wait, held);
}

static void hold_delay(const struct armed_rule *armed, s64 ns, struct call *call)
{
	struct wait wait = { .epoch = call->epoch };
	struct line line;

	ns = min(ns, time_left(call));
	call->slept += ns;
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

/* Hits of each rule and device, for chance. Under session.lock. */
static struct {
	u64 key;
	u64 hits;
} device_hits[DEVICE_HITS];

struct hit {
	struct armed_rule *armed;
	struct call *call;
	bool on_exit;
	unsigned long ret;
	u64 nth;
	u64 hash;
};

/* An int is returned in half a register; the other half is noise. */
static bool returned(unsigned long ret, long long value)
{
	return (long long)ret == value ||
	       ((int)value == value && (int)ret == (int)value);
}

static bool matches(const struct hit *hit)
{
	const struct dmarace_rule *rule = &hit->armed->rule;
	const struct call *call = hit->call;

	if (rule->on_exit != hit->on_exit)
		return false;
	if (rule->dev[0] && strcmp(rule->dev, call->dev))
		return false;
	if (rule->group >= 0 && rule->group != call->group)
		return false;
	if (rule->has_ret && !returned(hit->ret, rule->ret))
		return false;
	if (rule->task[0] && !dmarace_glob(rule->task, current->comm))
		return false;
	if (rule->actor[0] && !actor_is(rule->actor))
		return false;
	return !rule->from[0] || called_from(rule->from);
}

static bool draws(const struct dmarace_rule *rule)
{
	return rule->probability < 100 ||
	       rule->delay_min != rule->delay_max;
}

/*
 * The draw of a device's nth hit is the same whatever other devices do. Returns
 * 0 where no more devices can be counted.
 */
static u64 device_hit(const struct armed_rule *armed, const char *dev)
{
	u64 key = dmarace_hash(0, armed->rule.name, dev, 0) | 1;
	unsigned int i, at;

	for (i = 0; i < DEVICE_TRIES; i++) {
		at = (key + i) & (DEVICE_HITS - 1);
		if (!device_hits[at].key)
			device_hits[at].key = key;
		if (device_hits[at].key == key)
			return ++device_hits[at].hits;
	}
	return 0;
}

void engine_forget_hits(void)
{
	memset(device_hits, 0, sizeof(device_hits));
}

/* Counts the hit and decides by number and chance. */
static bool acts(struct hit *hit)
{
	struct armed_rule *armed = hit->armed;
	const struct dmarace_rule *rule = &armed->rule;
	long long times = armed->once && rule->waits ? 1 : rule->times;
	unsigned long flags;
	bool yes = true;
	u64 mine = 0;

	spin_lock_irqsave(&session.lock, flags);
	hit->nth = ++armed->hits;
	if (draws(rule)) {
		mine = device_hit(armed, hit->call->dev);
		armed->undrawn += !mine;
	}
	hit->hash = dmarace_hash(session.seed, rule->name, hit->call->dev, mine);
	if (draws(rule) && !mine)
		yes = false;
	else if (rule->nth && hit->nth != rule->nth)
		yes = false;
	else if (hit->nth <= rule->space)
		yes = false;
	else if (times && armed->acted >= times)
		yes = false;
	else if ((hit->nth - rule->space) % rule->interval)
		yes = false;
	else if (!dmarace_draw_chance(hit->hash, rule->probability))
		yes = false;
	if (yes)
		armed->acted++;
	spin_unlock_irqrestore(&session.lock, flags);
	return yes;
}

static noinline_for_stack void report_hit(const struct hit *hit)
{
	const struct dmarace_rule *rule = &hit->armed->rule;
	struct line line;

	line_begin(&line, DMARACE_E_HIT);
	say_rule(&line, rule);
	line_num(&line, DMARACE_K_NTH, hit->nth);
	line_task(&line);
	line_str(&line, DMARACE_K_DEV, hit->call->dev);
	if (hit->call->group >= 0)
		line_num(&line, DMARACE_K_GROUP, hit->call->group);
	/* Numbers and error pointers only: addresses are nobody's business. */
	if (hit->on_exit && ((long)hit->ret == (int)hit->ret ||
			     hit->ret >> 32 == 0))
		line_num(&line, DMARACE_K_RET, (int)hit->ret);
	line_send(&line, NULL);
}

static void count_one(u64 *counter)
{
	unsigned long flags;

	spin_lock_irqsave(&session.lock, flags);
	(*counter)++;
	spin_unlock_irqrestore(&session.lock, flags);
}

static void act(struct hit *hit, struct substitute *result)
{
	struct armed_rule *armed = hit->armed;
	const struct dmarace_rule *rule = &armed->rule;
	u32 epoch = hit->call->epoch;
	bool sleeps = rule->waits || rule->delay_max;

	report_hit(hit);
	if (sleeps && !hold_possible(armed)) {
		count_one(&armed->atomic);
		sleeps = false;
	} else if (!rule->waits) {
		count_one(&armed->met);
	}
	if (sleeps && rule->delay_max)
		hold_delay(armed, dmarace_draw_delay(hit->hash, rule->delay_min,
						     rule->delay_max), hit->call);
	if (rule->signal[0] && session_is_open(epoch))
		signal_raise(rule->signal, DMARACE_BY_RULE);
	if (sleeps && rule->waits)
		hold_wait(armed, hit->call);
	if (rule->has_value && session_is_open(epoch)) {
		result->given = true;
		result->value = rule->value;
	}
}

static void run_rules(struct hit *hit, struct substitute *result)
{
	unsigned int i, count;

	/* Rules below the count are complete: rule_commit(). */
	count = smp_load_acquire(&rule_count);
	for (i = 0; i < count && session_is_open(hit->call->epoch); i++) {
		hit->armed = &rules[i];
		if (point_has(hit->armed, hit->call->probe) && matches(hit) &&
		    acts(hit))
			act(hit, result);
	}
}

/* Rules stay as they are while somebody is busy with them: session_drain(). */
static void run(struct hit *hit, struct substitute *result)
{
	atomic_inc(&session.busy);
	/* Either we see the session closed or session_drain() sees us. */
	smp_mb__after_atomic();
	run_rules(hit, result);
	if (atomic_dec_and_test(&session.busy) && !READ_ONCE(session.open))
		wake_up_all(&session.wait);
}

static void engine_enter(struct call *call, struct substitute *result)
{
	struct hit hit = { .call = call };

	if (READ_ONCE(call->probe->registrations))
		operations_registered(call);
	run(&hit, result);
}

static void engine_exit(struct call *call, unsigned long ret,
			struct substitute *result)
{
	struct hit hit = { .call = call, .on_exit = true, .ret = ret };

	/* A driver's own -EPROBE_DEFER comes back as a positive number. */
	if (READ_ONCE(call->probe->deferrals) && session_is_open(call->epoch) &&
	    abs((int)ret) == EPROBE_DEFER)
		device_deferred(call->dev);
	run(&hit, result);
}

const struct detour_hooks engine_hooks = {
	.enter = engine_enter,
	.exit = engine_exit,
};
