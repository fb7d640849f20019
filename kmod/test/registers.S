/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that know what is in every register, by number as in the structure
 * that they are given, the flags last.
 */
#include <linux/linkage.h>

#include "test.h"

#if defined(CONFIG_ARM64)
/*
 * x0 to x30 and the flags. x18 belongs to the shadow call stack where there is
 * one.
 */
#define FLAGS	248

	/* What the caller wants back, on the stack. */
	.macro	callers insn
	\insn	x29, x30, [sp]
	\insn	x19, x20, [sp, #16]
	\insn	x21, x22, [sp, #32]
	\insn	x23, x24, [sp, #48]
	\insn	x25, x26, [sp, #64]
	\insn	x27, x28, [sp, #80]
	.endm

	/* These of the registers in the structure at x0. */
	.macro	numbers insn, list:vararg
	.irp	n, \list
	\insn	x\n, [x0, #8 * \n]
	.endr
	.endm

	.macro	load_all
	sub	sp, sp, #112
	callers	stp
	stp	x0, x18, [sp, #96]
	ldr	x1, [x0, #FLAGS]
	msr	nzcv, x1
	numbers	ldr, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
#ifndef CONFIG_SHADOW_CALL_STACK
	numbers	ldr, 18
#endif
	numbers	ldr, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	ldp	x0, x1, [x0]
	.endm

	.macro	store_all
	stp	x0, x1, [sp, #-16]!
	ldr	x0, [sp, #112]
	add	x0, x0, #DMARACE_TEST_OUT
	numbers	str, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	numbers	str, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	mrs	x1, nzcv
	str	x1, [x0, #FLAGS]
	ldp	x1, x2, [sp], #16
	stp	x1, x2, [x0]
	callers	ldp
	ldr	x18, [sp, #104]
	add	sp, sp, #112
	ret
	.endm

	.text

SYM_CODE_START(dmarace_test_inside)
	hint	#34			/* bti c */
	load_all
.Lpoint:
	nop
	store_all
SYM_CODE_END(dmarace_test_inside)

SYM_CODE_START(dmarace_test_call)
	hint	#34			/* bti c */
	load_all
	bl	dmarace_test_leaf
	store_all
SYM_CODE_END(dmarace_test_call)

SYM_CODE_START(dmarace_test_leaf)
	hint	#34			/* bti c */
	ret
SYM_CODE_END(dmarace_test_leaf)

	.section .rodata, "a"
SYM_DATA(dmarace_test_offset, .quad .Lpoint - dmarace_test_inside)
#elif defined(CONFIG_X86_64)
#include <linux/objtool.h>

/* ax, bx, cx, dx, si, di, bp, r8 to r15, and the flags. */
	.macro	load_all
	.irp	r, rbp, rbx, r12, r13, r14, r15, rdi
	pushq	%\r
	.endr
	pushq	120(%rdi)
	popfq
	movq	0(%rdi), %rax
	movq	8(%rdi), %rbx
	movq	16(%rdi), %rcx
	movq	24(%rdi), %rdx
	movq	32(%rdi), %rsi
	movq	48(%rdi), %rbp
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	movq	8 * (\n - 1)(%rdi), %r\n
	.endr
	movq	40(%rdi), %rdi
	.endm

	.macro	store_all
	pushfq
	pushq	%rdi
	movq	16(%rsp), %rdi
	leaq	DMARACE_TEST_OUT(%rdi), %rdi
	movq	%rax, 0(%rdi)
	movq	%rbx, 8(%rdi)
	movq	%rcx, 16(%rdi)
	movq	%rdx, 24(%rdi)
	movq	%rsi, 32(%rdi)
	popq	40(%rdi)
	movq	%rbp, 48(%rdi)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	movq	%r\n, 8 * (\n - 1)(%rdi)
	.endr
	popq	120(%rdi)
	.irp	r, rdi, r15, r14, r13, r12, rbx, rbp
	popq	%\r
	.endr
	RET
	.endm

	.text

SYM_FUNC_START(dmarace_test_inside)
	load_all
.Lpoint:
	nop
	store_all
SYM_FUNC_END(dmarace_test_inside)
STACK_FRAME_NON_STANDARD dmarace_test_inside

SYM_FUNC_START(dmarace_test_call)
	load_all
	call	dmarace_test_leaf
	store_all
SYM_FUNC_END(dmarace_test_call)
STACK_FRAME_NON_STANDARD dmarace_test_call

SYM_FUNC_START(dmarace_test_leaf)
	nop
	RET
SYM_FUNC_END(dmarace_test_leaf)

	.section .rodata, "a"
SYM_DATA(dmarace_test_offset, .quad .Lpoint - dmarace_test_inside)
#endif
