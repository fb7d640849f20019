// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every task looks at: whether a session is open, the latches of signals,
 * and the armed rules.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "report.h"
#include "rules.h"

struct session session = {
	.lock = __SPIN_LOCK_UNLOCKED(session.lock),
	.wait = __WAIT_QUEUE_HEAD_INITIALIZER(session.wait),
};

static struct {
	char name[DMARACE_NAME_MAX];
	bool up;
} signals[DMARACE_SIGNALS_MAX];
static int signal_count;

bool session_is_open(u32 epoch)
{
	return READ_ONCE(session.open) && READ_ONCE(detour_epoch) == epoch;
}

static void signals_lower(void)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&session.lock, flags);
	for (i = 0; i < signal_count; i++)
		WRITE_ONCE(signals[i].up, false);
	spin_unlock_irqrestore(&session.lock, flags);
}

static void report_gate(const char *to, const char *why)
{
	struct line line;

	line_begin(&line, DMARACE_E_GATE);
	line_str(&line, DMARACE_K_STATE, to);
	line_str(&line, DMARACE_K_WHY, why);
	line_send(&line, NULL);
}

void session_open(const char *why, unsigned long long seed)
{
	unsigned long flags;

	signals_lower();
	rules_forget_counts();
	spin_lock_irqsave(&session.lock, flags);
	session.seed = seed;
	WRITE_ONCE(detour_epoch, detour_epoch + 1);
	WRITE_ONCE(session.open, true);
	spin_unlock_irqrestore(&session.lock, flags);
	report_gate(DMARACE_STATE_OPEN, why);
	probes_enable(true);
}

void session_close(const char *why)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&session.lock, flags);
	was = session.open;
	WRITE_ONCE(detour_epoch, detour_epoch + 1);
	WRITE_ONCE(session.open, false);
	spin_unlock_irqrestore(&session.lock, flags);
	if (was)
		report_gate(DMARACE_STATE_CLOSED, why);
	wake_up_all(&session.wait);
}

void session_drain(void)
{
	probes_enable(false);
	if (!wait_event_timeout(session.wait, !atomic_read(&session.busy), 10 * HZ))
		pr_err("a task is lost inside a rule\n");
}

/* The number of a signal that somebody waits for; made when it is new. */
int signal_intern(const char *name)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&session.lock, flags);
	for (i = 0; i < signal_count; i++)
		if (!strcmp(signals[i].name, name))
			break;
	if (i == DMARACE_SIGNALS_MAX) {
		i = -ENOSPC;
	} else if (i == signal_count) {
		strscpy(signals[i].name, name, DMARACE_NAME_MAX);
		signals[i].up = false;
		signal_count++;
	}
	spin_unlock_irqrestore(&session.lock, flags);
	return i;
}

int signal_latch(const char *name)
{
	unsigned long flags;
	int i, id = -1;

	spin_lock_irqsave(&session.lock, flags);
	for (i = 0; i < signal_count; i++) {
		if (!strcmp(signals[i].name, name)) {
			WRITE_ONCE(signals[i].up, true);
			id = i;
		}
	}
	spin_unlock_irqrestore(&session.lock, flags);
	wake_up_all(&session.wait);
	return id;
}

void signal_lower(int id, u32 epoch)
{
	if (id >= 0 && session_is_open(epoch))
		WRITE_ONCE(signals[id].up, false);
}

/* A signal nobody waits for is an event and nothing more. */
void signal_raise(const char *name, const char *by)
{
	struct line line;

	line_begin(&line, DMARACE_E_SIGNAL);
	line_str(&line, DMARACE_K_NAME, name);
	line_str(&line, DMARACE_K_BY, by);
	line_task(&line);
	line_send(&line, NULL);
	signal_latch(name);
}

bool signal_is_up(int id)
{
	return id >= 0 && READ_ONCE(signals[id].up);
}

const char *signal_name(int id)
{
	return signals[id].name;
}

void signals_forget(void)
{
	unsigned long flags;

	spin_lock_irqsave(&session.lock, flags);
	signal_count = 0;
	spin_unlock_irqrestore(&session.lock, flags);
}

struct armed_rule rules[DMARACE_RULES_MAX];
unsigned int rule_count;

/* done:A and step:A:N also end when A is seen blocked. */
static int intern_blocked(const char *wait)
{
	char name[DMARACE_NAME_MAX + sizeof(DMARACE_S_BLOCKED)];
	const char *actor = NULL;
	int length;

	if (!strncmp(wait, DMARACE_S_DONE ":", sizeof(DMARACE_S_DONE)))
		actor = wait + sizeof(DMARACE_S_DONE);
	else if (!strncmp(wait, DMARACE_S_STEP ":", sizeof(DMARACE_S_STEP)))
		actor = wait + sizeof(DMARACE_S_STEP);
	if (!actor)
		return -1;
	length = strcspn(actor, ":");
	scnprintf(name, sizeof(name), DMARACE_S_BLOCKED ":%.*s", length, actor);
	return signal_intern(name);
}

static int intern_signals(struct armed_rule *armed)
{
	const struct dmarace_rule *rule = &armed->rule;
	unsigned int i;

	for (i = 0; i < rule->waits; i++) {
		armed->wait_id[i] = signal_intern(rule->wait[i]);
		armed->blocked_id[i] = intern_blocked(rule->wait[i]);
		if (armed->wait_id[i] < 0 || armed->blocked_id[i] == -ENOSPC)
			return -ENOSPC;
	}
	return 0;
}

static bool sleeps(const struct armed_rule *armed)
{
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++)
		if (!armed->probes[i]->key.sleeps)
			return armed->rule.unsafe;
	return true;
}

struct armed_rule *rule_stage(const struct dmarace_rule *rule, char *reason,
			      size_t room)
{
	struct armed_rule *armed = kzalloc(sizeof(*armed), GFP_KERNEL);
	int error;

	if (!armed) {
		scnprintf(reason, room, "no memory");
		return ERR_PTR(-ENOMEM);
	}
	armed->rule = *rule;
	if ((rule->unsafe || rule->has_value) &&
	    security_locked_down(LOCKDOWN_MODULE_PARAMETERS)) {
		kfree(armed);
		scnprintf(reason, room,
			  "unsafe=1 and return= change what the kernel does: it is locked down");
		return ERR_PTR(-EACCES);
	}
	error = intern_signals(armed);
	if (error)
		scnprintf(reason, room, "more than %d signals",
			  DMARACE_SIGNALS_MAX);
	else
		error = points_resolve(armed, reason, room);
	if (error) {
		points_put(armed);
		kfree(armed);
		return ERR_PTR(error);
	}
	armed->may_sleep = sleeps(armed);
	return armed;
}

void rule_unstage(struct armed_rule *armed)
{
	points_put(armed);
	kfree(armed);
}

bool rules_have_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < rule_count; i++)
		if (!strcmp(rules[i].rule.name, name))
			return true;
	return false;
}

int rule_commit(struct armed_rule *armed)
{
	struct armed_rule *to = &rules[rule_count];
	unsigned int i;

	if (rule_count == DMARACE_RULES_MAX)
		return -ENOSPC;
	if (armed->rule.name[0] && rules_have_name(armed->rule.name))
		return -EEXIST;
	/* Signals may have been forgotten since it was staged. */
	if (intern_signals(armed))
		return -ENOSPC;

	*to = *armed;
	kfree(armed);
	if (!to->rule.name[0])
		scnprintf(to->rule.name, sizeof(to->rule.name), "%u",
			  rule_count + 1);
	/* Tasks read the array up to the count, without a lock. */
	smp_store_release(&rule_count, rule_count + 1);
	if (!READ_ONCE(session.open))
		return 0;
	for (i = 0; i < to->probe_count; i++)
		probe_enable(to->probes[i], true);
	if (to->watch)
		probe_enable(to->watch, true);
	return 0;
}

void rules_drop(void)
{
	unsigned int i, count = rule_count;

	WRITE_ONCE(rule_count, 0);
	for (i = 0; i < count; i++)
		points_put(&rules[i]);
}

void rules_adopt(void)
{
	unsigned int i;

	for (i = 0; i < rule_count; i++)
		rules[i].once = false;
}

void rules_forget_counts(void)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&session.lock, flags);
	for (i = 0; i < rule_count; i++) {
		struct armed_rule *armed = &rules[i];

		armed->hits = 0;
		armed->acted = 0;
		armed->met = 0;
		armed->blocked = 0;
		armed->timeout = 0;
		armed->released = 0;
		armed->atomic = 0;
		armed->undrawn = 0;
	}
	engine_forget_hits();
	spin_unlock_irqrestore(&session.lock, flags);
}

static void report_count(const struct armed_rule *armed, struct reader *to)
{
	unsigned long missed = armed->undrawn;
	bool registered = false;
	struct line line;
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++) {
		if (!armed->probes[i]->registered)
			continue;
		registered = true;
		missed += probe_missed(armed->probes[i]);
	}
	line_begin(&line, DMARACE_E_COUNT);
	line_str(&line, DMARACE_K_RULE, armed->rule.name);
	line_str(&line, DMARACE_K_POINT, armed->rule.point);
	line_num(&line, DMARACE_K_ARMED, registered);
	line_num(&line, DMARACE_K_HITS, armed->hits);
	line_num(&line, DMARACE_K_ACTED, armed->acted);
	line_num(&line, DMARACE_K_MET, armed->met);
	line_num(&line, DMARACE_K_BLOCKED, armed->blocked);
	line_num(&line, DMARACE_K_TIMEOUT, armed->timeout);
	line_num(&line, DMARACE_K_UNHIT, !armed->acted);
	line_num(&line, DMARACE_K_RELEASED, armed->released);
	line_num(&line, DMARACE_K_ATOMIC, armed->atomic);
	line_num(&line, DMARACE_K_NMISSED, missed);
	line_send(&line, to);
}

void rules_report_counts(struct reader *to)
{
	unsigned int i;

	for (i = 0; i < rule_count; i++)
		report_count(&rules[i], to);
}
