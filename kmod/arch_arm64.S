/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detour on arm64. Every general register and the flags survive it. At the
 * entry of a function, and in its caller, that leaves out x16: the procedure
 * call standard gives it to veneers, and compilers assume it lost over a call.
 */
#include <linux/linkage.h>

#include "arch_arm64.h"

#define FRAME		DMARACE_FRAME
#define FRAME_X(n)	(DMARACE_FRAME_X + 8 * (n))

	.macro	save_registers
	sub	sp, sp, #FRAME
	stp	x0, x1, [sp, #FRAME_X(0)]
	stp	x2, x3, [sp, #FRAME_X(2)]
	stp	x4, x5, [sp, #FRAME_X(4)]
	stp	x6, x7, [sp, #FRAME_X(6)]
	stp	x8, x9, [sp, #FRAME_X(8)]
	stp	x10, x11, [sp, #FRAME_X(10)]
	stp	x12, x13, [sp, #FRAME_X(12)]
	stp	x14, x15, [sp, #FRAME_X(14)]
	stp	x16, x17, [sp, #FRAME_X(16)]
	stp	x18, x19, [sp, #FRAME_X(18)]
	stp	x20, x21, [sp, #FRAME_X(20)]
	stp	x22, x23, [sp, #FRAME_X(22)]
	stp	x24, x25, [sp, #FRAME_X(24)]
	stp	x26, x27, [sp, #FRAME_X(26)]
	stp	x28, x29, [sp, #FRAME_X(28)]
	mrs	x17, nzcv
	stp	x30, x17, [sp, #FRAME_X(30)]
	/* The outer record: the caller. dmarace_enter/exit complete both. */
	stp	x29, x30, [sp, #16]
	add	x17, sp, #16
	stp	x17, x30, [sp]
	mov	x29, sp
	.endm

	/* Leaves x16 alone. */
	.macro	restore_registers
	ldp	x30, x17, [sp, #FRAME_X(30)]
	msr	nzcv, x17
	ldp	x0, x1, [sp, #FRAME_X(0)]
	ldp	x2, x3, [sp, #FRAME_X(2)]
	ldp	x4, x5, [sp, #FRAME_X(4)]
	ldp	x6, x7, [sp, #FRAME_X(6)]
	ldp	x8, x9, [sp, #FRAME_X(8)]
	ldp	x10, x11, [sp, #FRAME_X(10)]
	ldp	x12, x13, [sp, #FRAME_X(12)]
	ldp	x14, x15, [sp, #FRAME_X(14)]
	ldr	x17, [sp, #FRAME_X(17)]
	ldp	x18, x19, [sp, #FRAME_X(18)]
	ldp	x20, x21, [sp, #FRAME_X(20)]
	ldp	x22, x23, [sp, #FRAME_X(22)]
	ldp	x24, x25, [sp, #FRAME_X(24)]
	ldp	x26, x27, [sp, #FRAME_X(26)]
	ldp	x28, x29, [sp, #FRAME_X(28)]
	add	sp, sp, #FRAME
	.endm

	.text

/*
 * Entered from the breakpoint, everything as the probed function would see it.
 * It goes back there by an exception return, as that needs no register: inside
 * a function all of them are in use. Nothing may interrupt it, since that would
 * overwrite where it returns to.
 */
SYM_CODE_START(dmarace_entry)
	hint	#38			/* bti jc */
	save_registers
	mov	x0, sp
	bl	dmarace_enter
	cbz	x0, 1f
	mov	x16, x0
	restore_registers
	/* ret, not br: no landing pad is asked for, wherever this goes. */
	ret	x16
1:	msr	daifset, #0xf
	ldp	x16, x17, [sp, #DMARACE_FRAME_TO]
	msr	elr_el1, x16
	msr	spsr_el1, x17
	ldr	x16, [sp, #FRAME_X(16)]
	restore_registers
	eret
	/* No speculation behind it. */
	dsb	nsh
	isb
SYM_CODE_END(dmarace_entry)

/* Entered by the return of a probed function whose x30 was replaced. */
SYM_CODE_START(dmarace_trampoline)
	hint	#38			/* bti jc */
	save_registers
	mov	x0, sp
	bl	dmarace_exit
	mov	x16, x0
	restore_registers
	ret	x16
SYM_CODE_END(dmarace_trampoline)
