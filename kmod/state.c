// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file holds what every task looks at: the gate, the latches of signals
 * and the names of actors.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "dmarace.h"

DEFINE_SPINLOCK(state_lock);
DECLARE_WAIT_QUEUE_HEAD(state_wait);

struct state state = {
	.hold_max_ns = DMARACE_HOLD_MAX_MS * 1000000LL,
};

static struct {
	char name[DMARACE_NAME_MAX];
	bool up;
} signals[DMARACE_SIGNALS_MAX];
static int signal_count;

static struct {
	char name[DMARACE_NAME_MAX];
	pid_t tgid;
} actors[DMARACE_ACTORS_MAX];

/* Is the gate open, and still in the opening that a call began in? */
bool gate_is_open(u32 epoch)
{
	return READ_ONCE(state.open) && READ_ONCE(state.epoch) == epoch;
}

static void gate_report(const char *to, const char *why)
{
	struct line line;

	line_begin(&line, DMARACE_E_GATE);
	line_str(&line, DMARACE_K_STATE, to);
	line_str(&line, DMARACE_K_WHY, why);
	line_send(&line, NULL);
}

void gate_open(const char *why, unsigned long long seed)
{
	unsigned long flags;

	signals_lower();
	rules_forget_counts();
	spin_lock_irqsave(&state_lock, flags);
	state.seed = seed;
	state.epoch++;
	WRITE_ONCE(state.open, true);
	spin_unlock_irqrestore(&state_lock, flags);
	gate_report(DMARACE_STATE_OPEN, why);
	probes_gate(true);
}

/* Callable without control_lock: touches no rule. */
void gate_close(const char *why)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&state_lock, flags);
	was = state.open;
	state.epoch++;
	WRITE_ONCE(state.open, false);
	spin_unlock_irqrestore(&state_lock, flags);
	if (was)
		gate_report(DMARACE_STATE_CLOSED, why);
	wake_up_all(&state_wait);
}

/* Waits until no task looks at rules; under control_lock, gate closed. */
void gate_drain(void)
{
	probes_gate(false);
	if (!wait_event_timeout(state_wait, !atomic_read(&state.busy), 10 * HZ))
		pr_err("a task is lost inside a rule\n");
}

/* The number of a signal that somebody waits for; made when it is new. */
int signal_intern(const char *name)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&state_lock, flags);
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
	spin_unlock_irqrestore(&state_lock, flags);
	return i;
}

/* A signal nobody waits for is an event and nothing more. */
void signal_raise(const char *name, const char *by)
{
	unsigned long flags;
	struct line line;
	int i;

	line_begin(&line, DMARACE_E_SIGNAL);
	line_str(&line, DMARACE_K_NAME, name);
	line_str(&line, DMARACE_K_BY, by);
	line_task(&line);
	line_send(&line, NULL);
	spin_lock_irqsave(&state_lock, flags);
	for (i = 0; i < signal_count; i++)
		if (!strcmp(signals[i].name, name))
			WRITE_ONCE(signals[i].up, true);
	spin_unlock_irqrestore(&state_lock, flags);
	wake_up_all(&state_wait);
}

bool signal_is_up(int id)
{
	return id >= 0 && READ_ONCE(signals[id].up);
}

const char *signal_name(int id)
{
	return signals[id].name;
}

void signals_lower(void)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&state_lock, flags);
	for (i = 0; i < signal_count; i++)
		WRITE_ONCE(signals[i].up, false);
	spin_unlock_irqrestore(&state_lock, flags);
}

void signals_forget(void)
{
	unsigned long flags;

	spin_lock_irqsave(&state_lock, flags);
	signal_count = 0;
	spin_unlock_irqrestore(&state_lock, flags);
}

/* A process as the caller numbers it, as the kernel does; 0 if there is none. */
pid_t actor_pid(int pid)
{
	struct pid *task;
	pid_t tgid = 0;

	rcu_read_lock();
	task = find_vpid(pid);
	if (task && pid_task(task, PIDTYPE_TGID))
		tgid = pid_nr(task);
	rcu_read_unlock();
	return tgid;
}

int actor_set(const char *name, int pid)
{
	pid_t tgid = actor_pid(pid);
	unsigned long flags;
	int i, free = -1;

	if (!tgid)
		return -ESRCH;
	spin_lock_irqsave(&state_lock, flags);
	for (i = DMARACE_ACTORS_MAX - 1; i >= 0; i--) {
		if (!strcmp(actors[i].name, name))
			break;
		if (!actors[i].name[0])
			free = i;
	}
	if (i < 0)
		i = free;
	if (i >= 0) {
		strscpy(actors[i].name, name, DMARACE_NAME_MAX);
		actors[i].tgid = tgid;
	}
	spin_unlock_irqrestore(&state_lock, flags);
	return i < 0 ? -ENOSPC : 0;
}

void actors_forget(void)
{
	unsigned long flags;

	spin_lock_irqsave(&state_lock, flags);
	memset(actors, 0, sizeof(actors));
	spin_unlock_irqrestore(&state_lock, flags);
}

void actor_current(char *name)
{
	pid_t tgid = current->tgid;
	unsigned long flags;
	int i;

	name[0] = '\0';
	spin_lock_irqsave(&state_lock, flags);
	for (i = 0; i < DMARACE_ACTORS_MAX; i++)
		if (actors[i].tgid == tgid && actors[i].name[0])
			strscpy(name, actors[i].name, DMARACE_NAME_MAX);
	spin_unlock_irqrestore(&state_lock, flags);
}

bool actor_is(const char *name)
{
	char mine[DMARACE_NAME_MAX];

	actor_current(mine);
	return !strcmp(mine, name);
}
