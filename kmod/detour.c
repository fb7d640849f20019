// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file takes a task away at a probed address and brings it back: the
 * kprobe handler, the slots of calls that are out, and the two functions that
 * the assembly calls.
 *
 * The handler runs with exceptions masked: it claims a slot by cmpxchg, takes
 * a module reference and points the task at the stub. The stub's C body runs
 * in the task's own context and may sleep. It marks the call as passing and
 * goes back to the probed address, where the second hit lets it through.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "arch.h"
#include "dmarace.h"

#define CALLS_MAX	512

/* arch_arm64.S builds it. */
static_assert(sizeof(struct frame) == DMARACE_FRAME);
static_assert(offsetof(struct frame, x) == DMARACE_FRAME_X);

/* Owners apart from the calls: a handler reads all of them. */
static struct task_struct *call_task[CALLS_MAX];
static struct call calls[CALLS_MAX];
static atomic64_t call_number = ATOMIC64_INIT(0);

static struct call *call_claim(void)
{
	unsigned int start = ((unsigned long)current >> 6) % CALLS_MAX;
	unsigned int i, at;

	for (i = 0; i < CALLS_MAX; i++) {
		at = (start + i) % CALLS_MAX;
		if (!READ_ONCE(call_task[at]) &&
		    !cmpxchg(&call_task[at], NULL, current))
			return &calls[at];
	}
	return NULL;
}
NOKPROBE_SYMBOL(call_claim);

static void call_free(struct call *call)
{
	/* Whoever claims the slot next must not see us write to it. */
	smp_store_release(&call_task[call - calls], NULL);
}
NOKPROBE_SYMBOL(call_free);

/* The current task's newest call at this stack pointer in this state. */
static struct call *call_find(unsigned long sp, const struct probe *probe,
			      bool exiting)
{
	struct call *found = NULL;
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++) {
		struct call *call = &calls[i];

		if (READ_ONCE(call_task[i]) != current || call->sp != sp)
			continue;
		if (exiting ? !call->exiting || call->passing :
			      !call->passing || call->probe != probe)
			continue;
		if (!found || call->number > found->number)
			found = call;
	}
	return found;
}
NOKPROBE_SYMBOL(call_find);

/* Is the current task in the bodies below? What they call is not detoured. */
static bool is_ours(void)
{
	unsigned int i;

	for (i = 0; i < CALLS_MAX; i++)
		if (READ_ONCE(call_task[i]) == current && calls[i].in_body)
			return true;
	return false;
}
NOKPROBE_SYMBOL(is_ours);

/* The second hit: lets a call that has been in the stub through. */
static bool pass(struct probe *probe, struct pt_regs *regs)
{
	struct call *call;
	bool done;

	if (!atomic_read(&probe->inside))
		return false;
	call = call_find(regs_sp(regs), probe, false);
	if (!call)
		return false;
	call->passing = false;
	done = !call->exiting;
	if (done)
		call_free(call);
	atomic_dec(&probe->inside);
	if (done)
		module_put(THIS_MODULE);
	return true;
}
NOKPROBE_SYMBOL(pass);

static int before(struct kprobe *kp, struct pt_regs *regs)
{
	struct probe *probe = container_of(kp, struct probe, kp);
	struct call *call;

	if (pass(probe, regs))
		return 0;
	if (!READ_ONCE(probe->gate) || is_ours())
		return 0;
	call = call_claim();
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
	call->sp = regs_sp(regs);
	call->number = atomic64_inc_return(&call_number);
	call->epoch = READ_ONCE(state.epoch);
	call->passing = false;
	call->exiting = false;
	call->in_body = true;
	regs_detour(regs, (unsigned long)dmarace_stub, call);
	return 1;
}
NOKPROBE_SYMBOL(before);

/* Its being there keeps x86 from replacing the breakpoint by a jump. */
static void after(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(after);

static void call_describe(struct call *call, const struct frame *frame)
{
	const struct probe *probe = call->probe;
	struct iommu_group *group = NULL;
	struct device *dev = NULL;

	if (probe->dev >= 0)
		dev = (struct device *)frame_argument(frame, probe->dev);
	if (probe->group >= 0)
		group = (struct iommu_group *)frame_argument(frame,
							     probe->group);
	device_argument(dev, probe->pci, group, call->dev,
			sizeof(call->dev), &call->group);
}

/* What a frame record says of a function: an address behind its first call. */
static unsigned long return_into(const struct probe *probe)
{
	return (unsigned long)(probe->kp.addr + 1);
}

/* The stub's body at entry. Returns where to go on. */
unsigned long dmarace_enter(struct frame *frame, struct call *call)
{
	struct probe *probe = call->probe;
	struct verdict verdict = {};
	unsigned long lr = *frame_return(frame);

	frame->inner_pc = return_into(probe);
	call_describe(call, frame);
	engine_enter(call, &verdict);
	if (verdict.has_value) {
		*frame_result(frame) = verdict.value;
		call_free(call);
		atomic_dec(&probe->inside);
		module_put(THIS_MODULE);
		return lr;
	}
	if (atomic_read(&probe->exits)) {
		call->lr = lr;
		call->exiting = true;
		*frame_return(frame) = (unsigned long)dmarace_trampoline;
	}
	call->in_body = false;
	call->passing = true;
	return (unsigned long)probe->kp.addr;
}
NOKPROBE_SYMBOL(dmarace_enter);

/* The trampoline's body. Returns the caller's address. */
unsigned long dmarace_exit(struct frame *frame)
{
	struct call *call = call_find((unsigned long)(frame + 1), NULL, true);
	struct verdict verdict = {};
	unsigned long lr;

	/* Nowhere to go: better asleep for ever than at a random address. */
	while (WARN_ON_ONCE(!call))
		schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
	lr = call->lr;
	/* Its trampoline is no longer on the stack. */
	call->exiting = false;
	call->in_body = true;
	frame->inner_pc = return_into(call->probe);
	frame->outer_pc = lr;
	*frame_return(frame) = lr;
	engine_exit(call, *frame_result(frame), &verdict);
	if (verdict.has_value)
		*frame_result(frame) = verdict.value;
	call_free(call);
	module_put(THIS_MODULE);
	return lr;
}
NOKPROBE_SYMBOL(dmarace_exit);

/*
 * Undoes the replacement of return addresses in a stack trace of the current
 * task. depth counts the trampolines met so far, from the inside out.
 */
unsigned long call_return_address(unsigned long address, unsigned int *depth)
{
	struct call *found = NULL;
	u64 below = U64_MAX;
	unsigned int i, round;

	if (address != (unsigned long)dmarace_trampoline)
		return address;
	for (round = 0; round <= *depth; round++) {
		found = NULL;
		for (i = 0; i < CALLS_MAX; i++) {
			if (READ_ONCE(call_task[i]) != current ||
			    !calls[i].exiting || calls[i].number >= below)
				continue;
			if (!found || calls[i].number > found->number)
				found = &calls[i];
		}
		if (!found)
			return address;
		below = found->number;
	}
	(*depth)++;
	return found->lr;
}

int probe_register(struct probe *probe)
{
	memset(&probe->kp, 0, sizeof(probe->kp));
	if (probe->address)
		probe->kp.addr = probe->address;
	else
		probe->kp.symbol_name = probe->symbol;
	probe->kp.offset = probe->offset;
	probe->kp.pre_handler = before;
	probe->kp.post_handler = after;
	probe->gate = false;
	probe->missed_before = 0;
	atomic_set(&probe->missed, 0);
	probe->error = register_kprobe(&probe->kp);
	probe->registered = !probe->error;
	return probe->error;
}

/*
 * The gate is closed and held tasks are on their way: waits for those between
 * hit and pass, who need the breakpoint once more.
 */
void probe_unregister(struct probe *probe)
{
	int tries = 5000;

	if (!probe->registered)
		return;
	WRITE_ONCE(probe->gate, false);
	synchronize_rcu();
	while (atomic_read(&probe->inside) && tries--)
		usleep_range(1000, 2000);
	if (atomic_read(&probe->inside)) {
		pr_err("a task is lost inside %s, its probe stays\n",
		       probe->symbol);
		return;
	}
	unregister_kprobe(&probe->kp);
	probe->registered = false;
}

void probe_gate(struct probe *probe, bool open)
{
	if (open)
		probe->missed_before = probe->kp.nmissed +
				       atomic_read(&probe->missed);
	WRITE_ONCE(probe->gate, open && probe->registered);
}

/* Hits since the gate was opened that no rule saw. */
unsigned long probe_missed(const struct probe *probe)
{
	return probe->kp.nmissed + atomic_read(&probe->missed) -
	       probe->missed_before;
}
