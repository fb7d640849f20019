/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detour's frame on the stack of the task it took away: built by the
 * assembly of one architecture, read by detour.c.
 */
#ifndef DMARACE_ARCH_H
#define DMARACE_ARCH_H

#if defined(CONFIG_ARM64)
#include "arch_arm64.h"
#elif defined(CONFIG_X86_64)
#include "arch_x86.h"
#endif

#ifndef __ASSEMBLY__
struct call;

/* In assembly. */
void dmarace_entry(void);
void dmarace_trampoline(void);

/* Called from it: where to go on, 0 for the gate. */
unsigned long dmarace_enter(struct frame *frame);
unsigned long dmarace_exit(struct frame *frame);

/* The stack pointer of the probed function, at entry as at return. */
static inline unsigned long frame_sp(const struct frame *frame)
{
	return (unsigned long)(frame + 1);
}
#endif

#endif
