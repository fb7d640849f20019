/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One request line in, one checked struct dmarace_request out. No allocation,
 * no kernel services: this unit also compiles in userspace for its tests.
 */
#ifndef DMARACE_PARSE_H
#define DMARACE_PARSE_H

#include "dmarace_abi.h"

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#endif

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
	char dev[DMARACE_NAME_MAX];	/* of audit and uevent */
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

#endif
