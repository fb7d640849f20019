// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every task looks at: whether a session is open, and the latches of
 * signals.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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

static void report(const char *to, const char *why)
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
	report(DMARACE_STATE_OPEN, why);
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
		report(DMARACE_STATE_CLOSED, why);
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
	spin_lock_irqsave(&session.lock, flags);
	for (i = 0; i < signal_count; i++)
		if (!strcmp(signals[i].name, name))
			WRITE_ONCE(signals[i].up, true);
	spin_unlock_irqrestore(&session.lock, flags);
	wake_up_all(&session.wait);
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
