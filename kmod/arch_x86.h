/* SPDX-License-Identifier: GPL-2.0-only */
/* The detour's frame on x86-64. */
#ifndef DMARACE_ARCH_X86_H
#define DMARACE_ARCH_X86_H

/* Where the assembly puts what it pops at last. */
#define DMARACE_FRAME_TO	128

#ifndef __ASSEMBLY__
#include <linux/kprobes.h>
#include <linux/ptrace.h>
#include <linux/types.h>

#include "parse.h"

/*
 * In the order of pushes, the last one first. 'to' is taken for the return
 * address by stack traces, and by the ret at the end.
 */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 bp, di, si, dx, cx, bx, ax;
	u64 flags;
	u64 to;
};

static_assert(offsetof(struct frame, to) == DMARACE_FRAME_TO);

/* In assembly: a ret and nothing else. */
void dmarace_leave(void);

/* At entry of a function, with its return address on top of the stack. */
static inline unsigned long frame_argument(const struct frame *frame, int n)
{
	const u64 *stack = (const u64 *)(frame + 1);
	const u64 registers[] = {
		frame->di, frame->si, frame->dx, frame->cx, frame->r8,
		frame->r9,
	};

	return n < 6 ? registers[n] : stack[n - 5];
}

static inline unsigned long *frame_result(struct frame *frame)
{
	return (unsigned long *)&frame->ax;
}

static inline unsigned long *frame_return(struct frame *frame)
{
	return (unsigned long *)(frame + 1);
}

/* What a stack trace finds below the detour's own functions. */
static inline void frame_show(struct frame *frame, unsigned long function,
			      unsigned long caller)
{
	frame->to = function;
}

/* The same behind the function: its own frame is gone, the caller's is next. */
static inline void frame_returned(struct frame *frame, unsigned long function,
				  unsigned long caller)
{
	frame->to = caller;
}

static inline unsigned long frame_fp(const struct frame *frame)
{
	return frame->bp;
}

/* Where to go on, to go on at the probed address: its flags are in the frame. */
static inline unsigned long frame_resume(struct frame *frame,
					 unsigned long address,
					 unsigned long state)
{
	return address;
}

/* Where to go on, to go on in the caller of a function that did not run. */
static inline unsigned long frame_leave(unsigned long caller)
{
	return (unsigned long)dmarace_leave;
}

/* The stack pointer at entry of the function that has just returned. */
static inline unsigned long frame_exit_sp(const struct frame *frame)
{
	return (unsigned long)&frame->to;
}

static inline void regs_go(struct pt_regs *regs, unsigned long to)
{
	regs->ip = to;
}

static inline unsigned long regs_sp(const struct pt_regs *regs)
{
	return regs->sp;
}

static inline unsigned long regs_state(const struct pt_regs *regs)
{
	return regs->flags;
}

/*
 * Is a breakpoint there now, or the call of a function's ftrace site? Kprobes
 * may be switched off as a whole, and ftrace too.
 */
static inline bool arch_is_hit(const struct kprobe *kp)
{
	u8 first = READ_ONCE(*(const u8 *)kp->addr);

	return first == 0xcc || (kprobe_ftrace((struct kprobe *)kp) &&
				 first == 0xe8);
}

/* Instructions of many lengths: not decoded. */
static inline unsigned int arch_find_stores(const unsigned int *code,
					    size_t size, unsigned int byte,
					    struct dmarace_store *found)
{
	return 0;
}
#endif

#endif
