/* SPDX-License-Identifier: GPL-2.0-only */
/* What the assembly of the test module shares with its C code. */
#ifndef DMARACE_TEST_H
#define DMARACE_TEST_H

/* Bytes of the registers to load; those to be stored follow. */
#define DMARACE_TEST_OUT	256

#ifndef __ASSEMBLY__
#include <linux/types.h>

#define DMARACE_TEST_REGISTERS	(DMARACE_TEST_OUT / 8)

struct dmarace_test_registers {
	u64 in[DMARACE_TEST_REGISTERS];
	u64 out[DMARACE_TEST_REGISTERS];
};

static_assert(offsetof(struct dmarace_test_registers, out) == DMARACE_TEST_OUT);

/* Loads every register, runs over one nop, and stores every register. */
void dmarace_test_inside(struct dmarace_test_registers *registers);
/* The same around a call of dmarace_test_leaf(). */
void dmarace_test_call(struct dmarace_test_registers *registers);
void dmarace_test_leaf(void);

/* Where in dmarace_test_inside() the nop is, in bytes. */
extern const u64 dmarace_test_offset;
#endif

#endif
