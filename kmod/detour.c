// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file takes a task away at a probed address and brings it back: the
 * kprobe handlers, and the two functions that the assembly calls.
 *
 * The handler runs with exceptions masked: it claims a slot, takes a module
 * reference and points the task at the entry code, whose C body runs in the
 * task's own context and may sleep. It marks the call as passing and goes back
 * to the probed address, where the second hit lets it through.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "arch.h"
#include "compat.h"
#include "dmarace.h"

/* It is over: nothing of it is looked at behind this. */
static void call_end(struct call *call)
{
	call_free(call);
	module_put(THIS_MODULE);
}
NOKPROBE_SYMBOL(call_end);

/* The second hit: lets a call that has been in the entry code through. */
static bool pass(struct probe *probe, struct pt_regs *regs)
{
	struct call *call;

	if (!atomic_read(&probe->inside))
		return false;
	call = call_passing(regs_sp(regs), probe);
	if (!call)
		return false;
	call->passing = false;
	atomic_dec(&probe->inside);
	if (!call->exiting)
		call_end(call);
	return true;
}
NOKPROBE_SYMBOL(pass);

static int before(struct kprobe *kp, struct pt_regs *regs)
{
	struct probe *probe = container_of(kp, struct probe, kp);
	struct call *call;

	if (pass(probe, regs))
		return 0;
	/* What the bodies below call is not detoured. */
	if (!READ_ONCE(probe->gate) || call_in_body())
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
	call->epoch = READ_ONCE(state.epoch);
	regs_go(regs, (unsigned long)dmarace_entry);
	return 1;
}
NOKPROBE_SYMBOL(before);

/* Its being there keeps x86 from replacing the breakpoint by a jump. */
static void after(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(after);

/* The last jump of a detour inside a function, where no register is free. */
static int at_gate(struct kprobe *kp, struct pt_regs *regs)
{
	struct call *call = call_passing(regs_sp(regs), NULL);

	if (call)
		regs_go(regs, (unsigned long)call->probe->kp.addr);
	return 1;
}
NOKPROBE_SYMBOL(at_gate);

static struct kprobe gate = {
	.pre_handler = at_gate,
};

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

/* The operations of the driver whose instance iommu_device_register() gets. */
static const struct iommu_ops *registered(const struct frame *frame)
{
	return compat_registered_ops((void *)frame_argument(frame, 0),
				     frame_argument(frame, 1));
}

/* The entry code's body. Returns where to go on, 0 for the gate. */
unsigned long dmarace_enter(struct frame *frame)
{
	unsigned long caller = *frame_return(frame);
	struct call *call = call_in_body();
	struct probe *probe = call->probe;
	struct verdict verdict = {};

	frame_show(frame, return_into(probe), caller);
	call_describe(call, frame);
	if (READ_ONCE(probe->registrations))
		operations_registered(registered(frame), call->epoch);
	engine_enter(call, &verdict);
	if (verdict.has_value) {
		*frame_result(frame) = verdict.value;
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
	call->in_body = false;
	call->passing = true;
	if (DMARACE_GATE && probe->offset)
		return 0;
	return (unsigned long)probe->kp.addr;
}
NOKPROBE_SYMBOL(dmarace_enter);

/* The trampoline's body. Returns the caller's address. */
unsigned long dmarace_exit(struct frame *frame)
{
	struct call *call = call_exiting(frame_exit_sp(frame));
	struct verdict verdict = {};
	unsigned long caller;

	/* Nowhere to go: better asleep for ever than at a random address. */
	while (WARN_ON_ONCE(!call))
		schedule_timeout_uninterruptible(MAX_SCHEDULE_TIMEOUT);
	caller = call->lr;
	/* Its trampoline is no longer on the stack. */
	call->exiting = false;
	call->in_body = true;
	frame_returned(frame, return_into(call->probe), caller);
	engine_exit(call, *frame_result(frame), &verdict);
	if (verdict.has_value)
		*frame_result(frame) = verdict.value;
	call_end(call);
	return caller;
}
NOKPROBE_SYMBOL(dmarace_exit);

int detour_init(void)
{
	if (!DMARACE_GATE)
		return 0;
	gate.addr = (kprobe_opcode_t *)dmarace_gate;
	return register_kprobe(&gate);
}

void detour_exit(void)
{
	if (DMARACE_GATE)
		unregister_kprobe(&gate);
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
