// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler of every kprobe, and the two functions that the assembly calls.
 *
 * The handler runs with exceptions masked: it claims a slot, takes a module
 * reference and points the task at the entry code, whose C body runs in the
 * task's own context and may sleep. It marks the call as passing and goes back
 * to the probed address, where the second hit lets it through.
 *
 * Where kprobes are switched off meanwhile, no second hit comes and the task
 * runs on, as it should. Nothing waits for that hit: the body looks whether the
 * breakpoint is still there, the trampoline takes a call that never passed, and
 * what is left is reaped before a probe is unregistered.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#if defined(CONFIG_X86_64)
#include <asm/unwind.h>
#endif

#include "compat.h"
#include "detour.h"
#include "devices.h"
#include "parse.h"

#define TRACE_MAX	48
#define CALLS_MAX	512

u32 detour_epoch;

const struct detour_hooks *detour_hooks;

/*
 * Slots of the calls that were sent through, claimed by cmpxchg: a handler takes
 * no lock. Owners apart from the calls: a handler reads all of them.
 */
static struct task_struct *call_task[CALLS_MAX];
static struct call calls[CALLS_MAX];
static atomic64_t call_number = ATOMIC64_INIT(0);

/* A slot for the current task, in the body, newest of all; NULL if none is free. */
static struct call __kprobes *call_claim(unsigned long sp)
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
		call->slept = 0;
		call->exiting = false;
		call->in_body = true;
		return call;
	}
	return NULL;
}

static void __kprobes call_free(struct call *call)
{
	call->in_body = false;
	/* Whoever claims the slot next must not see us write to it. */
	smp_store_release(&call_task[call - calls], NULL);
}

/* The current task's call that is in the body: there is one at most. */
static struct call __kprobes *call_in_body(void)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++)
		if (READ_ONCE(call_task[i]) == current && calls[i].in_body)
			return &calls[i];
	return NULL;
}

/* The newest that is on its way back to the probed address, and its number. */
static struct call __kprobes *call_passing(unsigned long sp,
					   const struct probe *probe,
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

/*
 * The newest whose function returns to the trampoline with this stack: one that
 * is still passing found no breakpoint there.
 */
static struct call __kprobes *call_exiting(unsigned long sp)
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

/* Is it this call that was passing? For one of those who ask. */
static bool __kprobes call_pass(struct call *call, u64 number)
{
	return READ_ONCE(call->passing) == number &&
	       cmpxchg(&call->passing, number, 0) == number;
}

static u64 call_newest(void)
{
	return atomic64_read(&call_number);
}

/* One that began by then and is passing still. */
static struct call *call_stale(const struct probe *probe, u64 newest,
			       u64 *number)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		*number = READ_ONCE(calls[i].passing);
		if (*number && *number <= newest && calls[i].probe == probe)
			return &calls[i];
	}
	return NULL;
}

/* It is over: nothing of it is looked at behind this. */
static void __kprobes call_end(struct call *call)
{
	call_free(call);
	module_put(THIS_MODULE);
}

/* It is in the probed function, or would be: only its exit is still wanted. */
static void __kprobes call_has_passed(struct call *call)
{
	atomic_dec(&call->probe->inside);
	if (!call->exiting)
		call_end(call);
}

/* The second hit: lets a call that has been in the entry code through. */
static bool __kprobes pass(struct probe *probe, struct pt_regs *regs)
{
	struct call *call;
	u64 number;

	if (!atomic_read(&probe->inside))
		return false;
	call = call_passing(regs_sp(regs), probe, &number);
	if (!call || !call_pass(call, number))
		return false;
	call_has_passed(call);
	return true;
}

int __kprobes detour_hit(struct kprobe *kp, struct pt_regs *regs)
{
	struct probe *probe = container_of(kp, struct probe, kp);
	struct call *call;

	if (pass(probe, regs))
		return 0;
	/* What the bodies below call is not detoured. */
	if (!READ_ONCE(probe->enabled) || call_in_body())
		return 0;
	call = call_claim(regs_sp(regs));
	if (!call) {
		atomic_inc(&probe->missed);
		return 0;
	}
	if (!try_module_get(THIS_MODULE)) {
		call_free(call);
		return 0;
	}
	atomic_inc(&probe->inside);
	call->probe = probe;
	call->state = regs_state(regs);
	call->epoch = READ_ONCE(detour_epoch);
	regs_go(regs, (unsigned long)dmarace_entry);
	return 1;
}

static void call_describe(struct call *call, const struct frame *frame)
{
	const struct probe_key *key = &call->probe->key;
	struct iommu_group *group = NULL;
	void *argument = NULL;

	if (key->dev >= 0)
		argument = (void *)frame_argument(frame, key->dev);
	if (key->group >= 0)
		group = (struct iommu_group *)frame_argument(frame,
							     key->group);
	device_argument(argument, key->kind, group, call->dev,
			sizeof(call->dev), &call->group);
}

/* What a frame record says of a function: an address behind its first call. */
static unsigned long return_into(const struct probe *probe)
{
	return (unsigned long)(probe->kp.addr + 1);
}

unsigned long call_argument(const struct call *call, int n)
{
	return frame_argument(call->frame, n);
}

/* Back to the probed address, whether somebody is hit there or not. */
static unsigned long __kprobes resume(struct call *call, struct frame *frame)
{
	struct probe *probe = call->probe;
	unsigned long address = (unsigned long)probe->kp.addr;
	unsigned long state = call->state;

	call->in_body = false;
	if (arch_is_hit(&probe->kp))
		WRITE_ONCE(call->passing, call->number);
	else
		call_has_passed(call);
	return frame_resume(frame, address, state);
}

/*
 * On PREEMPT_RT locks sleep, those of rules and of lines too: a call that must
 * not is left alone there, and counted.
 */
static bool __kprobes call_is_missed(struct call *call)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible())
		return false;
	atomic_inc(&call->probe->missed);
	return true;
}

/* The entry code's body. Returns where to go on. */
unsigned long __kprobes dmarace_enter(struct frame *frame)
{
	unsigned long caller = *frame_return(frame);
	struct call *call = call_in_body();
	struct substitute result = {};
	struct probe *probe = call->probe;

	frame_show(frame, return_into(probe), caller);
	if (call_is_missed(call))
		return resume(call, frame);
	call_describe(call, frame);
	call->frame = frame;
	detour_hooks->enter(call, &result);
	if (result.given) {
		*frame_result(frame) = result.value;
		atomic_dec(&probe->inside);
		call_end(call);
		return frame_leave(caller);
	}
	if (atomic_read(&probe->exits)) {
		call->lr = caller;
		call->fp = frame_fp(frame);
		call->exiting = true;
		*frame_return(frame) = (unsigned long)dmarace_trampoline;
	}
	return resume(call, frame);
}

/* The trampoline's body. Returns the caller's address. */
unsigned long __kprobes dmarace_exit(struct frame *frame)
{
	struct call *call = call_exiting(frame_exit_sp(frame));
	struct substitute result = {};
	unsigned long caller;

	/* Nowhere to go: better asleep for ever than at a random address. */
	while (WARN_ON_ONCE(!call))
		schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
	if (call_pass(call, call->number))
		atomic_dec(&call->probe->inside);
	caller = call->lr;
	/* Its trampoline is no longer on the stack. */
	call->exiting = false;
	call->in_body = true;
	frame_returned(frame, return_into(call->probe), caller);
	if (!call_is_missed(call))
		detour_hooks->exit(call, *frame_result(frame), &result);
	if (result.given)
		*frame_result(frame) = result.value;
	call_end(call);
	return caller;
}

/*
 * Ends the calls that were on their way back to this probe's address when its
 * breakpoint was taken away. They have left our code when the grace period is
 * over: nobody sleeps there.
 */
void detour_reap(struct probe *probe)
{
	u64 newest = call_newest();
	struct call *call;
	bool exiting;
	u64 number;

	synchronize_rcu_tasks();
	while ((call = call_stale(probe, newest, &number))) {
		/* Whose exit it is, that one ends it. */
		exiting = READ_ONCE(call->exiting);
		if (!call_pass(call, number))
			continue;
		atomic_dec(&probe->inside);
		if (!exiting)
			call_end(call);
	}
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
