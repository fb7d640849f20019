/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Units that need no service of the kernel and allocate nothing, so that they
 * also compile in userspace for their tests: lines to words, words to checked
 * requests, machine code to the stores that are looked for.
 */
#ifndef DMARACE_PARSE_H
#define DMARACE_PARSE_H

#include "dmarace_abi.h"

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#define __printf(format, first)
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))
#endif

/* words.c */
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

/*
 * Cuts the text off at the first mark that is not in quotes, and moves it behind
 * that, to NULL at the end. Returns what was before.
 */
char *dmarace_cut(char **text, char mark);

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

/* parse.c: one request line in, one checked struct dmarace_request out. */
#define DMARACE_REASON_MAX	320

enum dmarace_verb {
#define X(id)	DMARACE_DO_##id,
	DMARACE_REQUESTS(X)
#undef X
};

/* Times are ns. Names are empty when the word was not given. */
struct dmarace_rule {
	char point[DMARACE_NAME_MAX];
	char name[DMARACE_NAME_MAX];
	char dev[DMARACE_NAME_MAX];
	char task[DMARACE_NAME_MAX];
	char actor[DMARACE_NAME_MAX];
	char from[DMARACE_NAME_MAX];
	char signal[DMARACE_NAME_MAX];
	char wait[DMARACE_WAITS_MAX][DMARACE_NAME_MAX];
	long long group;		/* -1: any */
	long long arg;			/* -1: not given */
	long long nth;			/* 0: every one */
	long long ret;
	long long value;		/* of return= */
	long long probability;		/* percent */
	long long interval;
	long long times;		/* 0: no limit */
	long long space;
	long long delay_min;
	long long delay_max;
	long long timeout;
	unsigned int waits;
	bool on_exit;
	bool unsafe;
	bool optional;
	bool has_ret;
	bool has_value;
};

struct dmarace_request {
	enum dmarace_verb verb;
	char id[DMARACE_NAME_MAX];
	char name[DMARACE_NAME_MAX];	/* of actor and signal, a uevent's kind */
	char dev[DMARACE_NAME_MAX];	/* of audit, where and uevent */
	long long pid;
	long long iter;
	unsigned long long seed;
	bool map;
	struct dmarace_rule rule;
};

/*
 * Parses one line (no newline; it is cut up in place). Returns 0, or -1 with a
 * sentence in reason. req->id is valid after an error as well.
 */
int dmarace_parse(char *line, struct dmarace_request *req, char *reason,
		  size_t room);

const char *dmarace_verb_name(enum dmarace_verb verb);

/* stores_arm64.c: stores that end a read-modify-write of one byte. */
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
