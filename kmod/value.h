/* SPDX-License-Identifier: GPL-2.0-only */
/* Kinds of values, shared by the parser's tables and their readers. */
#ifndef DMARACE_VALUE_H
#define DMARACE_VALUE_H

#include "rule.h"
#include "words.h"

enum kind { NAME, FLAG, NUMBER, SEED, TIME, RANGE, WAITS, ON };

struct key {
	const char *name;
	enum kind kind;
	size_t at;		/* offset in struct dmarace_request */
	size_t has;		/* offset of a bool to set, or 0 */
	long long low, high;	/* of times and ranges: high in ms */
};

/* Where the sentence of a refusal goes. */
struct reason {
	char *text;
	size_t room;
};

/* Returns -1. */
__printf(2, 3) int dmarace_refuse(struct reason *r, const char *format, ...);

/* Reads one word into its place. Returns 0, or -1 with a reason. */
int dmarace_set(struct reason *r, struct dmarace_word *w, const struct key *k,
		struct dmarace_request *req);

#endif
