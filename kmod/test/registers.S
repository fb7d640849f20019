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

	.macro	load_all
	sub	sp, sp, #112
	stp	x29, x30, [sp]
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	x0, x18, [sp, #96]
	ldr	x1, [x0, #FLAGS]
	msr	nzcv, x1
	ldp	x2, x3, [x0, #16]
	ldp	x4, x5, [x0, #32]
	ldp	x6, x7, [x0, #48]
	ldp	x8, x9, [x0, #64]
	ldp	x10, x11, [x0, #80]
	ldp	x12, x13, [x0, #96]
	ldp	x14, x15, [x0, #112]
	ldp	x16, x17, [x0, #128]
#ifndef CONFIG_SHADOW_CALL_STACK
	ldr	x18, [x0, #144]
#endif
	ldr	x19, [x0, #152]
	ldp	x20, x21, [x0, #160]
	ldp	x22, x23, [x0, #176]
	ldp	x24, x25, [x0, #192]
	ldp	x26, x27, [x0, #208]
	ldp	x28, x29, [x0, #224]
	ldr	x30, [x0, #240]
	ldp	x0, x1, [x0]
	.endm

	.macro	store_all
	stp	x0, x1, [sp, #-16]!
	ldr	x0, [sp, #112]
	add	x0, x0, #DMARACE_TEST_OUT
	stp	x2, x3, [x0, #16]
	stp	x4, x5, [x0, #32]
	stp	x6, x7, [x0, #48]
	stp	x8, x9, [x0, #64]
	stp	x10, x11, [x0, #80]
	stp	x12, x13, [x0, #96]
	stp	x14, x15, [x0, #112]
	stp	x16, x17, [x0, #128]
	stp	x18, x19, [x0, #144]
	stp	x20, x21, [x0, #160]
	stp	x22, x23, [x0, #176]
	stp	x24, x25, [x0, #192]
	stp	x26, x27, [x0, #208]
	stp	x28, x29, [x0, #224]
	mrs	x1, nzcv
	stp	x30, x1, [x0, #240]
	ldp	x1, x2, [sp], #16
	stp	x1, x2, [x0]
	ldp	x29, x30, [sp]
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
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
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	pushq	120(%rdi)
	popfq
	movq	0(%rdi), %rax
	movq	8(%rdi), %rbx
	movq	16(%rdi), %rcx
	movq	24(%rdi), %rdx
	movq	32(%rdi), %rsi
	movq	48(%rdi), %rbp
	movq	56(%rdi), %r8
	movq	64(%rdi), %r9
	movq	72(%rdi), %r10
	movq	80(%rdi), %r11
	movq	88(%rdi), %r12
	movq	96(%rdi), %r13
	movq	104(%rdi), %r14
	movq	112(%rdi), %r15
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
	movq	%r8, 56(%rdi)
	movq	%r9, 64(%rdi)
	movq	%r10, 72(%rdi)
	movq	%r11, 80(%rdi)
	movq	%r12, 88(%rdi)
	movq	%r13, 96(%rdi)
	movq	%r14, 104(%rdi)
	movq	%r15, 112(%rdi)
	popq	120(%rdi)
	popq	%rdi
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
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
