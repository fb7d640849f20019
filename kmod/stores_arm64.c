// SPDX-License-Identifier: GPL-2.0-only
/*
 * arm64 instructions that are looked for: where a function loads a byte of a
 * structure, changes some bits and stores it. Encodings are those of the Arm
 * Architecture Reference Manual, section C4.1.
 */
#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#endif

#include "parse.h"

#define WINDOW	16	/* instructions between load and store */
#define SP	31

static bool is_load(unsigned int insn)
{
	return (insn & 0xffc00000) == 0x39400000;
}

static bool is_store(unsigned int insn)
{
	return (insn & 0xffc00000) == 0x39000000;
}

static unsigned int offset_of(unsigned int insn)
{
	return insn >> 10 & 0xfff;
}

static int base_of(unsigned int insn)
{
	return insn >> 5 & 31;
}

/* Branches of every kind, and exceptions. */
static bool leaves(unsigned int insn)
{
	return (insn & 0x7c000000) == 0x14000000 ||	/* b, bl */
	       (insn & 0xfe000000) == 0x54000000 ||	/* b.cond */
	       (insn & 0x7c000000) == 0x34000000 ||	/* cbz, tbz */
	       (insn & 0xfe000000) == 0xd6000000 ||	/* br, blr, ret */
	       (insn & 0xff000000) == 0xd4000000;	/* brk, svc */
}

/* May say yes for a store of that register: then a pair is not seen. */
static bool writes(unsigned int insn, int reg)
{
	bool pair = (insn & 0x3a000000) == 0x28000000;

	return (int)(insn & 31) == reg ||
	       (pair && (int)(insn >> 10 & 31) == reg);
}

/* The store that ends what the load at this index begins; 0 if none does. */
static unsigned int store_behind(const unsigned int *code, unsigned int count,
				 unsigned int load)
{
	int base = base_of(code[load]);
	unsigned int i;

	if (base == SP || writes(code[load], base))
		return 0;
	for (i = load + 1; i < count && i <= load + WINDOW; i++) {
		if (is_store(code[i]) && base_of(code[i]) == base &&
		    offset_of(code[i]) == offset_of(code[load]))
			return i;
		if (leaves(code[i]) || writes(code[i], base))
			return 0;
	}
	return 0;
}

unsigned int dmarace_arm64_stores(const unsigned int *code, unsigned int count,
				  unsigned int byte,
				  struct dmarace_store *found)
{
	unsigned int i, store, n = 0;

	for (i = 0; i < count && n < DMARACE_STORES_MAX; i++) {
		if (!is_load(code[i]) || offset_of(code[i]) != byte)
			continue;
		store = store_behind(code, count, i);
		if (!store || (n && found[n - 1].offset == store * 4))
			continue;
		found[n].offset = store * 4;
		found[n].base = base_of(code[store]);
		n++;
	}
	return n;
}
