/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of the contract as words, and the small values inside words. Pure: this
 * unit also compiles in userspace for its tests.
 */
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

/* Shell pattern with * and ?, the whole text. */
bool dmarace_glob(const char *pattern, const char *text);

/* Does symbol, compiler suffixes left out, equal name? */
bool dmarace_same_function(const char *symbol, const char *name);

/*
 * What chance decides for hit number hit of a rule and a device: the same for
 * the same four, whatever else runs.
 */
unsigned long long dmarace_hash(unsigned long long seed, const char *rule,
				const char *dev, unsigned long long hit);
long long dmarace_draw_delay(unsigned long long hash, long long min,
			     long long max);
bool dmarace_draw_chance(unsigned long long hash, long long percent);

#endif
