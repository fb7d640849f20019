// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots of calls that were sent through the detour, and who called them.
 * They are claimed by cmpxchg: a kprobe handler takes no lock.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#if defined(CONFIG_X86_64)
#include <asm/unwind.h>
#endif

#include "detour.h"
#include "words.h"

#define TRACE_MAX	48

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
		call->passing = 0;
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

/* The newest that is on its way back to the probed address, and its number. */
struct call *call_passing(unsigned long sp, const struct probe *probe,
			  u64 *number)
{
	struct call *found = NULL;
	unsigned int i;

	*number = 0;
	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call = &calls[i];
		u64 passing = READ_ONCE(call->passing);

		if (READ_ONCE(call_task[i]) != current || call->sp != sp ||
		    passing <= *number || call->probe != probe)
			continue;
		found = call;
		*number = passing;
	}
	return found;
}
NOKPROBE_SYMBOL(call_passing);

/*
 * The newest whose function returns to the trampoline with this stack: one that
 * is still passing found no breakpoint there.
 */
struct call *call_exiting(unsigned long sp)
{
	struct call *found = NULL;
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call = &calls[i];

		if (READ_ONCE(call_task[i]) != current || call->sp != sp ||
		    !call->exiting)
			continue;
		if (!found || call->number > found->number)
			found = call;
	}
	return found;
}
NOKPROBE_SYMBOL(call_exiting);

/* Is it this call that was passing? For one of those who ask. */
bool call_pass(struct call *call, u64 number)
{
	return READ_ONCE(call->passing) == number &&
	       cmpxchg(&call->passing, number, 0) == number;
}
NOKPROBE_SYMBOL(call_pass);

u64 call_newest(void)
{
	return atomic64_read(&call_number);
}

/* One that began by then and is passing still. */
struct call *call_stale(const struct probe *probe, u64 newest, u64 *number)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		*number = READ_ONCE(calls[i].passing);
		if (*number && *number <= newest && calls[i].probe == probe)
			return &calls[i];
	}
	return NULL;
}

/*
 * The current task's calls whose return addresses are replaced, by depth from
 * the inside out; NULL behind the last one.
 */
static struct call *call_replaced(unsigned int depth)
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

#if defined(CONFIG_X86_64)
/*
 * The trace stops where a return address was replaced: nothing on the stack
 * says who the caller is. It is begun again there.
 */
static unsigned int arch_callers(const struct call *call, unsigned long *trace,
				 unsigned int room)
{
	struct pt_regs regs = {
		.ip = call->lr - 1,
		.sp = call->sp + sizeof(long),
		.bp = call->fp,
		.cs = __KERNEL_CS,
	};
	struct unwind_state state;
	unsigned int count = 0;

	for (unwind_start(&state, current, &regs, NULL);
	     count < room && !unwind_done(&state); unwind_next_frame(&state))
		trace[count++] = unwind_get_return_address(&state);
	return count;
}
#else
/* Frame records go on where a return address was replaced. */
static unsigned int arch_callers(const struct call *call, unsigned long *trace,
				 unsigned int room)
{
	return 0;
}
#endif

/* With the addresses that were replaced restored. */
static unsigned int trace_callers(unsigned long *trace)
{
	unsigned int count = stack_trace_save(trace, TRACE_MAX, 0);
	unsigned int i, depth = 0;
	struct call *call;

	for (i = 0; i < count; i++) {
		if (trace[i] != (unsigned long)dmarace_trampoline)
			continue;
		call = call_replaced(depth++);
		if (!call)
			break;
		trace[i] = call->lr;
		if (i + 1 == count)
			count += arch_callers(call, trace + count,
					      TRACE_MAX - count);
	}
	return count;
}

bool called_from(const char *function)
{
	unsigned long trace[TRACE_MAX];
	char symbol[KSYM_SYMBOL_LEN];
	unsigned int i, count = trace_callers(trace);

	for (i = 0; i < count; i++) {
		/* A return address may be the first of the next function. */
		sprint_symbol_no_offset(symbol, trace[i] - 1);
		if (dmarace_same_function(symbol, function))
			return true;
	}
	return false;
}
