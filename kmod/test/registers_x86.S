/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that know what is in every register but the stack pointer: ax, bx,
 * cx, dx, si, di, bp, r8 to r15, and the flags.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>

#include "test.h"

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
