// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for a lock that a held task owns. The kernel tells of a wait in the
 * waiting task, for microseconds too, under the lock's own spinlock and before it
 * has tried for the last time: there it is only written down, and a thread of
 * ours looks again when it is no short one. A lock is read while somebody is
 * known to wait for it, which keeps it. Tasks are compared and never followed:
 * what is said of one was written down by itself.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "compat.h"
#include "devices.h"
#include "report.h"
#include "rules.h"

#define WAITERS_BITS	8
#define WAITERS		BIT(WAITERS_BITS)
#define TRIES		16
#define DEEP		8	/* owners that wait themselves */
#define SHORT_NS	100000	/* a wait that is none of ours to tell */
#define SHORT_US	(SHORT_NS / 1000)

/* Of the tracepoint's flags; readers of an rwsem have no owner that could be named. */
#define WAITS_SPINNING	0x01
#define WAITS_TO_READ	0x02
#define WAITS_TO_WRITE	0x04
#define WAITS_FOR_MUTEX	0x20
#define MUTEX_FLAGS	0x07UL
#define RWSEM_READERS	0x01UL
#define RWSEM_FLAGS	0x03UL

struct waiter {
	const void *lock;
	unsigned int flags;
	ktime_t since;
	struct who who;
	u32 told;			/* in the session of this epoch */
	int signal;			/* raised then, or -1 */
};

/* The tasks apart from the rest: all ends of all contentions look for theirs. */
static const struct task_struct *waiting[WAITERS];
static struct waiter waiters[WAITERS];
static LIST_HEAD(holders);
static DEFINE_RAW_SPINLOCK(lists_lock);
static u64 contended;

static struct task_struct *looker;
static bool news;

static void look_again(void)
{
	if (!looker)
		return;
	WRITE_ONCE(news, true);
	wake_up_process(looker);
}

static void kicked(struct irq_work *work)
{
	look_again();
}

static struct irq_work kick;

void holder_add(struct holder *holder, const struct armed_rule *armed)
{
	unsigned long flags;

	holder->task = current;
	holder->armed = armed;
	who_am_i(&holder->who);
	raw_spin_lock_irqsave(&lists_lock, flags);
	list_add(&holder->list, &holders);
	raw_spin_unlock_irqrestore(&lists_lock, flags);
	look_again();
}

void holder_remove(struct holder *holder)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lists_lock, flags);
	list_del(&holder->list);
	raw_spin_unlock_irqrestore(&lists_lock, flags);
}

/* The wait of a task for a lock, or for any; -1 if none is known. */
static int waiter_of(const struct task_struct *task, const void *lock)
{
	unsigned int start = hash_ptr(task, WAITERS_BITS), i, at;

	for (i = 0; i < TRIES; i++) {
		at = (start + i) % WAITERS;
		if (READ_ONCE(waiting[at]) == task &&
		    (!lock || waiters[at].lock == lock))
			return at;
	}
	return -1;
}

static int waiter_free(void)
{
	unsigned int start = hash_ptr(current, WAITERS_BITS), i, at;

	for (i = 0; i < TRIES; i++) {
		at = (start + i) % WAITERS;
		if (!waiting[at])
			return at;
	}
	return -1;
}

/* Who waits for the same lock still, having spun or slept before, began then. */
static void wait_begins(void *data, void *lock, unsigned int kind)
{
	unsigned long flags;
	bool held;
	int at;

	if (!READ_ONCE(session.open) ||
	    (kind != WAITS_TO_READ && kind != WAITS_TO_WRITE &&
	     (kind & ~WAITS_SPINNING) != WAITS_FOR_MUTEX) ||
	    waiter_of(current, lock) >= 0)
		return;
	raw_spin_lock_irqsave(&lists_lock, flags);
	contended++;
	at = waiter_free();
	if (at >= 0) {
		waiters[at].lock = lock;
		waiters[at].flags = kind;
		waiters[at].since = ktime_get();
		waiters[at].told = 0;
		waiters[at].signal = -1;
		who_am_i(&waiters[at].who);
		WRITE_ONCE(waiting[at], current);
	}
	held = !list_empty(&holders);
	raw_spin_unlock_irqrestore(&lists_lock, flags);
	if (held)
		irq_work_queue(&kick);
}

/* Comes for spinlocks too, for ours while it is taken: first looks without it. */
static void wait_ends(void *data, void *lock, int error)
{
	int at = waiter_of(current, lock);
	unsigned long flags;

	if (at < 0)
		return;
	raw_spin_lock_irqsave(&lists_lock, flags);
	WRITE_ONCE(waiting[at], NULL);
	signal_lower(waiters[at].signal, waiters[at].told);
	raw_spin_unlock_irqrestore(&lists_lock, flags);
}

/* Of a lock that is waited for, now; NULL where none can be read. */
static const struct task_struct *owner_of(const struct waiter *waiter)
{
	unsigned long owner = 0;

#ifndef CONFIG_PREEMPT_RT
	if (waiter->flags & WAITS_FOR_MUTEX) {
		const struct mutex *mutex = waiter->lock;

		if (!peek(owner, (const unsigned long *)&mutex->owner))
			return NULL;
		owner &= ~MUTEX_FLAGS;
	} else {
		const struct rw_semaphore *rwsem = waiter->lock;

		if (!peek(owner, (const unsigned long *)&rwsem->owner) ||
		    owner & RWSEM_READERS)
			return NULL;
		owner &= ~RWSEM_FLAGS;
	}
#endif
	return (const struct task_struct *)owner;
}

/* Whose hold is not about to end: short contentions are no news. */
static const struct holder *holder_of(const struct task_struct *task)
{
	const struct holder *holder;

	list_for_each_entry(holder, &holders, list)
		if (holder->task == task && !hold_is_met(holder->armed))
			return holder;
	return NULL;
}

/* At the end of the owners; and who the first of them is. */
static const struct holder *holder_behind(const struct waiter *waiter,
					  const struct who **owner)
{
	const struct task_struct *task;
	const struct holder *holder;
	unsigned int i;
	int at;

	for (i = 0; i < DEEP; i++) {
		task = owner_of(waiter);
		if (!task)
			return NULL;
		holder = holder_of(task);
		at = waiter_of(task, NULL);
		if (!holder && at < 0)
			return NULL;
		if (!i)
			*owner = holder ? &holder->who : &waiters[at].who;
		if (holder)
			return holder;
		waiter = &waiters[at];
	}
	return NULL;
}

struct blocked {
	unsigned int at;
	u32 epoch;
	const struct task_struct *task;
	struct waiter waiter;
	struct who owner;
	const char *rule;
	s64 ns;
};

/* Someone who has waited for long enough and was not told of yet. */
static bool find_blocked(struct blocked *found, bool *again)
{
	const struct holder *holder = NULL;
	const struct who *owner;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&lists_lock, flags);
	for (i = 0; i < WAITERS && !holder; i++) {
		if (!waiting[i] || waiters[i].told == found->epoch)
			continue;
		holder = holder_behind(&waiters[i], &owner);
		if (!holder)
			continue;
		found->ns = ktime_to_ns(ktime_sub(ktime_get(), waiters[i].since));
		if (found->ns < SHORT_NS) {
			*again = true;
			holder = NULL;
			continue;
		}
		waiters[i].told = found->epoch;
		found->at = i;
		found->task = waiting[i];
		found->waiter = waiters[i];
		found->owner = *owner;
		found->rule = holder->armed->rule.name;
	}
	raw_spin_unlock_irqrestore(&lists_lock, flags);
	return holder;
}

static void say_owner(struct line *line, const struct who *owner)
{
	char actor[DMARACE_NAME_MAX];

	actor_name(owner->tgid, actor);
	line_str(line, DMARACE_K_OWNER, actor[0] ? actor : owner->comm);
	line_num(line, DMARACE_K_OWNER_TID, owner->tid);
}

/* Locks that are no part of an object have names. */
static void say_lock(struct line *line, const struct waiter *waiter)
{
	char symbol[KSYM_SYMBOL_LEN];

	line_str(line, DMARACE_K_LOCK, waiter->flags & WAITS_FOR_MUTEX ?
		 DMARACE_WAIT_MUTEX : DMARACE_WAIT_RWSEM);
	sprint_symbol_no_offset(symbol, (unsigned long)waiter->lock);
	if (strncmp(symbol, "0x", 2))
		line_str(line, DMARACE_K_SYM, symbol);
}

/* It may be over by now: then it is no longer so. */
static void keep_signal(const struct blocked *found, int id)
{
	struct waiter *waiter = &waiters[found->at];
	unsigned long flags;

	raw_spin_lock_irqsave(&lists_lock, flags);
	if (waiting[found->at] == found->task &&
	    waiter->since == found->waiter.since)
		waiter->signal = id;
	else
		signal_lower(id, found->epoch);
	raw_spin_unlock_irqrestore(&lists_lock, flags);
}

static noinline_for_stack void tell(const struct blocked *found)
{
	char name[DMARACE_NAME_MAX + sizeof(DMARACE_S_BLOCKED)];
	char actor[DMARACE_NAME_MAX];
	struct line line;

	actor_name(found->waiter.who.tgid, actor);
	if (!actor[0])
		return;
	scnprintf(name, sizeof(name), DMARACE_S_BLOCKED ":%s", actor);
	line_begin(&line, DMARACE_E_SIGNAL);
	line_str(&line, DMARACE_K_NAME, name);
	line_str(&line, DMARACE_K_BY, DMARACE_BY_LOCK);
	line_who(&line, &found->waiter.who);
	say_lock(&line, &found->waiter);
	say_owner(&line, &found->owner);
	line_str(&line, DMARACE_K_RULE, found->rule);
	line_num(&line, DMARACE_K_US, div_s64(found->ns, 1000));
	line_send(&line, NULL);
	keep_signal(found, signal_latch(name));
}

/* Is there somebody to look at again? */
static bool look(void)
{
	struct blocked found = { .epoch = READ_ONCE(detour_epoch) };
	bool again = false;

	while (session_is_open(found.epoch) && find_blocked(&found, &again))
		tell(&found);
	return again;
}

static int look_on(void *unused)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(news)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		WRITE_ONCE(news, false);
		while (look() && !kthread_should_stop())
			usleep_range(SHORT_US / 2, SHORT_US);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *point;
	bool on;
} hooks[] = {
	{ .name = "contention_end", .probe = wait_ends },
	{ .name = "contention_begin", .probe = wait_begins },
};

static void find_hook(struct tracepoint *point, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!strcmp(point->name, hooks[i].name))
			hooks[i].point = point;
}

static bool is_there(void)
{
	unsigned int i;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	compat_each_tracepoint(find_hook);
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!hooks[i].point)
			return false;
	return true;
}

/* Without the tracepoints, or the memory, there is nobody to tell of. */
void contention_init(void)
{
	struct task_struct *task;
	unsigned int i;

	if (!is_there())
		return;
	task = kthread_run(look_on, NULL, "dmarace_locks");
	if (IS_ERR(task))
		return;
	sched_set_fifo_low(task);
	init_irq_work(&kick, kicked);
	looker = task;
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		/* What does not end must not begin: that comes last. */
		if (compat_tracepoint_add(hooks[i].point, hooks[i].probe))
			break;
		hooks[i].on = true;
	}
}

void contention_exit(void)
{
	unsigned int i;

	if (!looker)
		return;
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i].on)
			compat_tracepoint_remove(hooks[i].point, hooks[i].probe);
	compat_tracepoints_drain();
	irq_work_sync(&kick);
	kthread_stop(looker);
	looker = NULL;
}

void contention_report(struct line *line)
{
	if (looker)
		line_num(line, DMARACE_K_CONTENDED, READ_ONCE(contended));
}
