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
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "compat.h"
#include "detour.h"
#include "devices.h"

u32 detour_epoch;

const struct detour_hooks *detour_hooks;

/* It is over: nothing of it is looked at behind this. */
static void call_end(struct call *call)
{
	call_free(call);
	module_put(THIS_MODULE);
}
NOKPROBE_SYMBOL(call_end);

/* It is in the probed function, or would be: only its exit is still wanted. */
static void call_has_passed(struct call *call)
{
	atomic_dec(&call->probe->inside);
	if (!call->exiting)
		call_end(call);
}
NOKPROBE_SYMBOL(call_has_passed);

/* The second hit: lets a call that has been in the entry code through. */
static bool pass(struct probe *probe, struct pt_regs *regs)
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
NOKPROBE_SYMBOL(pass);

int detour_hit(struct kprobe *kp, struct pt_regs *regs)
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
NOKPROBE_SYMBOL(detour_hit);

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

unsigned long call_argument(const struct call *call, int n)
{
	return frame_argument(call->frame, n);
}

/* Back to the probed address, whether somebody is hit there or not. */
static unsigned long resume(struct call *call, struct frame *frame)
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
NOKPROBE_SYMBOL(resume);

/* The entry code's body. Returns where to go on. */
unsigned long dmarace_enter(struct frame *frame)
{
	unsigned long caller = *frame_return(frame);
	struct call *call = call_in_body();
	struct substitute result = {};
	struct probe *probe = call->probe;

	frame_show(frame, return_into(probe), caller);
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
NOKPROBE_SYMBOL(dmarace_enter);

/* The trampoline's body. Returns the caller's address. */
unsigned long dmarace_exit(struct frame *frame)
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
	detour_hooks->exit(call, *frame_result(frame), &result);
	if (result.given)
		*frame_result(frame) = result.value;
	call_end(call);
	return caller;
}
NOKPROBE_SYMBOL(dmarace_exit);

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
