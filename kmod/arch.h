/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detour's frame on the stack of the task it took away: built by the
 * assembly of one architecture, read by detour.c.
 */
#ifndef DMARACE_ARCH_H
#define DMARACE_ARCH_H

/* sizeof(struct frame), and where the registers begin. */
#define DMARACE_FRAME	288
#define DMARACE_FRAME_X	32

#ifndef __ASSEMBLY__
#include <linux/ptrace.h>
#include <linux/types.h>

#include "stores.h"

#if defined(CONFIG_ARM64)
/*
 * Two frame records, so that a stack trace shows the probed function and then
 * its callers, as if the detour had been called by it.
 */
struct frame {
	u64 inner_fp, inner_pc;
	u64 outer_fp, outer_pc;
	u64 x[31];
	u64 nzcv;
};

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

static inline void regs_detour(struct pt_regs *regs, unsigned long stub,
			       void *call)
{
	/* x16 belongs to veneers: no caller and no callee relies on it. */
	regs->regs[16] = (unsigned long)call;
	regs->pc = stub;
}

static inline unsigned long regs_sp(const struct pt_regs *regs)
{
	return regs->sp;
}

static inline unsigned int arch_find_stores(const unsigned int *code,
					    size_t size, unsigned int byte,
					    struct dmarace_store *found)
{
	return dmarace_arm64_stores(code, size / sizeof(*code), byte, found);
}
#endif

struct call;

/* In assembly. */
void dmarace_stub(void);
void dmarace_trampoline(void);

/* Called from it: where to go on. */
unsigned long dmarace_enter(struct frame *frame, struct call *call);
unsigned long dmarace_exit(struct frame *frame);
#endif

#endif
