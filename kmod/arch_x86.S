/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detour on x86-64. Every general register and the flags survive it.
 *
 * A word is pushed first. Stack traces take it for a return address: it says
 * who "called" the detour. At the end it holds where to go on, and a ret, which
 * asks for no landing pad and needs no register, goes there.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#include "arch_x86.h"

/* Without indirect branch tracking (before v5.18) nobody asks for a landing pad. */
#ifndef ENDBR
#define ENDBR
#endif
/* A return thunk may count calls, and changes flags then: this ret goes round it. */
#ifndef ANNOTATE_UNRET_SAFE
#define ANNOTATE_UNRET_SAFE
#endif

	.macro	detour_by function
	pushq	$0
	/* From here on the word above is the return address. */
	UNWIND_HINT_FUNC
	pushfq
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	call	\function
	movq	%rax, DMARACE_FRAME_TO(%rsp)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	popfq
	ANNOTATE_UNRET_SAFE
	ret
	int3
	.endm

	.text

/* Entered from the breakpoint, everything as the probed function would see it. */
SYM_FUNC_START(dmarace_entry)
	ENDBR
	detour_by dmarace_enter
SYM_FUNC_END(dmarace_entry)

/* Goes on in the caller of a function that was left out. */
SYM_FUNC_START(dmarace_leave)
	ENDBR
	RET
SYM_FUNC_END(dmarace_leave)

/*
 * A stack trace looks at the byte before a return address. This one says that
 * nothing is known there: the caller's address is in the call, not on the
 * stack. See arch_callers().
 */
SYM_FUNC_START(dmarace_unknown)
	int3
SYM_FUNC_END(dmarace_unknown)
STACK_FRAME_NON_STANDARD dmarace_unknown

/* Entered by the return of a probed function whose return address was replaced. */
SYM_FUNC_START_NOALIGN(dmarace_trampoline)
	ENDBR
	detour_by dmarace_exit
SYM_FUNC_END(dmarace_trampoline)
