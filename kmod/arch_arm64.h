/* SPDX-License-Identifier: GPL-2.0-only */
/* The detour's frame on arm64. */
#ifndef DMARACE_ARCH_ARM64_H
#define DMARACE_ARCH_ARM64_H

/* sizeof(struct frame), where the registers begin, and where it goes back to. */
#define DMARACE_FRAME		304
#define DMARACE_FRAME_X		32
#define DMARACE_FRAME_TO	288

#ifndef __ASSEMBLY__
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/types.h>

#include "parse.h"

/*
 * Two frame records, so that a stack trace shows the probed function and then
 * its callers, as if the detour had been called by it.
 */
struct frame {
	u64 inner_fp, inner_pc;
	u64 outer_fp, outer_pc;
	u64 x[31];
	u64 nzcv;
	u64 to, to_state;
};

static_assert(sizeof(struct frame) == DMARACE_FRAME);
static_assert(offsetof(struct frame, x) == DMARACE_FRAME_X);
static_assert(offsetof(struct frame, to) == DMARACE_FRAME_TO);

static inline unsigned long frame_argument(const struct frame *frame, int n)
{
	return frame->x[n];
}

static inline unsigned long *frame_result(struct frame *frame)
{
	return (unsigned long *)&frame->x[0];
}

static inline unsigned long *frame_return(struct frame *frame)
{
	return (unsigned long *)&frame->x[30];
}

/* What a stack trace finds below the detour's own functions. */
static inline void frame_show(struct frame *frame, unsigned long function,
			      unsigned long caller)
{
	frame->inner_pc = function;
	frame->outer_pc = caller;
}

/* The same behind the function, whose caller is to find its own address. */
static inline void frame_returned(struct frame *frame, unsigned long function,
				  unsigned long caller)
{
	frame_show(frame, function, caller);
	frame->x[30] = caller;
}

static inline unsigned long frame_fp(const struct frame *frame)
{
	return frame->x[29];
}

/* Where to go on, to go on at the probed address: the frame says it. */
static inline unsigned long frame_resume(struct frame *frame,
					 unsigned long address,
					 unsigned long state)
{
	frame->to = address;
	frame->to_state = state;
	return 0;
}

/* Where to go on, to go on in the caller of a function that did not run. */
static inline unsigned long frame_leave(unsigned long caller)
{
	return caller;
}

/* The stack pointer at entry of the function that has just returned. */
static inline unsigned long frame_exit_sp(const struct frame *frame)
{
	return (unsigned long)(frame + 1);
}

static inline void regs_go(struct pt_regs *regs, unsigned long to)
{
	regs->pc = to;
}

static inline unsigned long regs_sp(const struct pt_regs *regs)
{
	return regs->sp;
}

/* With it the flags, and what is allowed there. */
static inline unsigned long regs_state(const struct pt_regs *regs)
{
	return regs->pstate;
}

/* Is a breakpoint there now? Kprobes may be switched off as a whole. */
static inline bool arch_is_hit(const struct kprobe *kp)
{
	return le32_to_cpu((__force __le32)READ_ONCE(*kp->addr)) != kp->opcode;
}

static inline unsigned int arch_find_stores(const unsigned int *code,
					    size_t size, unsigned int byte,
					    struct dmarace_store *found)
{
	return dmarace_arm64_stores(code, size / sizeof(*code), byte, found);
}
#endif

#endif
