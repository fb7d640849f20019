/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machine code in, the stores that end a read-modify-write of one byte out.
 * Pure: this unit also compiles in userspace for its tests.
 */
#ifndef DMARACE_STORES_H
#define DMARACE_STORES_H

#define DMARACE_STORES_MAX	4	/* in one function */

struct dmarace_store {
	unsigned int offset;	/* of the store, in bytes from the beginning */
	int base;		/* number of the register with the structure */
};

/*
 * Looks for pairs of ldrb and strb of the byte at this offset from one base
 * register, with straight-line code between them. Returns how many were
 * found, the first DMARACE_STORES_MAX at most.
 */
unsigned int dmarace_arm64_stores(const unsigned int *code, unsigned int count,
				  unsigned int byte,
				  struct dmarace_store *found);

#endif
