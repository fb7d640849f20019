/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of the contract as words, and the small values inside words. */
#ifndef DMARACE_WORDS_H
#define DMARACE_WORDS_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#define __printf(format, first)
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))
#endif

#define DMARACE_WORDS_MAX	32

struct dmarace_word {
	const char *key;
	char *value;
};

struct dmarace_words {
	const char *verb;
	struct dmarace_word word[DMARACE_WORDS_MAX];
	unsigned int count;
};

/* Cuts a line up in place. Returns 0, or -1 with a sentence in reason. */
int dmarace_split(char *line, struct dmarace_words *words, char *reason,
		  size_t room);

/* A whole decimal number with an optional sign, or hexadecimal after 0x. */
int dmarace_number(const char *text, long long *value);

/* The same without a sign, all 64 bits. */
int dmarace_unsigned(const char *text, unsigned long long *value);

/* A whole number with ns, us, ms or s, as ns. */
int dmarace_time(const char *text, long long *ns);

/* What err= says of a negative error. */
const char *dmarace_error_name(int error);

#endif
