// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file keeps the slots of calls that were sent through the detour. They
 * are claimed by cmpxchg: a kprobe handler takes no lock.
 */
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/sched.h>

#include "dmarace.h"

#define CALLS_MAX	512

/* Owners apart from the calls: a handler reads all of them. */
static struct task_struct *call_task[CALLS_MAX];
static struct call calls[CALLS_MAX];
static atomic64_t call_number = ATOMIC64_INIT(0);

/* A slot for the current task, in the body, newest of all; NULL if none is free. */
struct call *call_claim(unsigned long sp)
{
	unsigned int start = ((unsigned long)current >> 6) % CALLS_MAX;
	unsigned int i, at;

	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call;

		at = (start + i) % CALLS_MAX;
		if (READ_ONCE(call_task[at]) ||
		    cmpxchg(&call_task[at], NULL, current))
			continue;
		call = &calls[at];
		call->sp = sp;
		call->number = atomic64_inc_return(&call_number);
		call->passing = false;
		call->exiting = false;
		call->in_body = true;
		return call;
	}
	return NULL;
}
NOKPROBE_SYMBOL(call_claim);

void call_free(struct call *call)
{
	call->in_body = false;
	/* Whoever claims the slot next must not see us write to it. */
	smp_store_release(&call_task[call - calls], NULL);
}
NOKPROBE_SYMBOL(call_free);

/* The current task's call that is in the body: there is one at most. */
struct call *call_in_body(void)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++)
		if (READ_ONCE(call_task[i]) == current && calls[i].in_body)
			return &calls[i];
	return NULL;
}
NOKPROBE_SYMBOL(call_in_body);

/* The newest that is on its way back to the probed address; any if no probe. */
struct call *call_passing(unsigned long sp, const struct probe *probe)
{
	struct call *found = NULL;
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call = &calls[i];

		if (READ_ONCE(call_task[i]) != current || call->sp != sp ||
		    !call->passing || (probe && call->probe != probe))
			continue;
		if (!found || call->number > found->number)
			found = call;
	}
	return found;
}
NOKPROBE_SYMBOL(call_passing);

/* The newest whose function returns to the trampoline with this stack. */
struct call *call_exiting(unsigned long sp)
{
	struct call *found = NULL;
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call = &calls[i];

		if (READ_ONCE(call_task[i]) != current || call->sp != sp ||
		    !call->exiting || call->passing)
			continue;
		if (!found || call->number > found->number)
			found = call;
	}
	return found;
}
NOKPROBE_SYMBOL(call_exiting);

/*
 * The current task's calls whose return addresses are replaced, by depth from
 * the inside out; NULL behind the last one.
 */
struct call *call_replaced(unsigned int depth)
{
	struct call *found = NULL;
	u64 below = U64_MAX;
	unsigned int i;

	do {
		found = NULL;
		for (i = 0; i < CALLS_MAX; i++) {
			if (READ_ONCE(call_task[i]) != current ||
			    !calls[i].exiting || calls[i].number >= below)
				continue;
			if (!found || calls[i].number > found->number)
				found = &calls[i];
		}
		if (found)
			below = found->number;
	} while (found && depth--);
	return found;
}
