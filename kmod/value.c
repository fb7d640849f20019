// SPDX-License-Identifier: GPL-2.0-only
/* This file reads the values of words into a request, each by its kind. */
#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#endif

#include "rule.h"
#include "value.h"
#include "words.h"

int dmarace_refuse(struct reason *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->text, r->room, format, args);
	va_end(args);
	return -1;
}

static int set_name(struct reason *r, const struct dmarace_word *w, char *to)
{
	size_t length = strlen(w->value);

	if (!length)
		return dmarace_refuse(r, "%s: empty", w->key);
	if (length >= DMARACE_NAME_MAX)
		return dmarace_refuse(r, "%s: '%.20s..' has %zu characters, %d at most",
				      w->key, w->value, length, DMARACE_NAME_MAX - 1);
	memcpy(to, w->value, length + 1);
	return 0;
}

static int set_number(struct reason *r, const struct dmarace_word *w,
		      const struct key *k, long long *to)
{
	if (dmarace_number(w->value, to))
		return dmarace_refuse(r, "%s: '%.40s' is no whole number", w->key,
				      w->value);
	if (*to < k->low || *to > k->high)
		return dmarace_refuse(r, "%s: '%.40s' is outside %lld..%lld", w->key,
				      w->value, k->low, k->high);
	return 0;
}

static int set_seed(struct reason *r, const struct dmarace_word *w,
		    unsigned long long *to)
{
	if (dmarace_unsigned(w->value, to))
		return dmarace_refuse(r, "%s: '%.40s' is no whole number of 64 bits",
				      w->key, w->value);
	return 0;
}

static int set_time(struct reason *r, const struct dmarace_word *w,
		    const char *text, long long max_ms, long long *to)
{
	if (dmarace_time(text, to))
		return dmarace_refuse(r, "%s: '%.40s' is no time: a number with ns, us, ms or s",
				      w->key, text);
	if (*to > max_ms * 1000000)
		return dmarace_refuse(r, "%s: '%.40s' is above %lld ms", w->key, text,
				      max_ms);
	return 0;
}

static int set_range(struct reason *r, const struct dmarace_word *w,
		     const struct key *k, long long *min, long long *max)
{
	char *dots = strstr(w->value, "..");

	if (dots)
		*dots = '\0';
	if (set_time(r, w, w->value, k->high, min))
		return -1;
	*max = *min;
	if (dots && set_time(r, w, dots + 2, k->high, max))
		return -1;
	if (*max < *min)
		return dmarace_refuse(r, "%s: '%.40s' is above '%.40s'", w->key, w->value,
				      dots + 2);
	return 0;
}

static int set_waits(struct reason *r, struct dmarace_word *w,
		     struct dmarace_rule *rule)
{
	struct dmarace_word one = { .key = w->key };
	char *next = w->value;

	while (next) {
		one.value = next;
		next = strchr(next, ',');
		if (next)
			*next++ = '\0';
		if (rule->waits == DMARACE_WAITS_MAX)
			return dmarace_refuse(r, "%s: more than %d signals", w->key,
					      DMARACE_WAITS_MAX);
		if (set_name(r, &one, rule->wait[rule->waits]))
			return -1;
		rule->waits++;
	}
	return 0;
}

static int set_flag(struct reason *r, const struct dmarace_word *w, bool *to)
{
	if (strcmp(w->value, "0") && strcmp(w->value, "1"))
		return dmarace_refuse(r, "%s: '%.40s', valid are 0 1", w->key, w->value);
	*to = w->value[0] == '1';
	return 0;
}

static int set_on(struct reason *r, const struct dmarace_word *w, bool *to)
{
	if (strcmp(w->value, DMARACE_ON_ENTER) && strcmp(w->value, DMARACE_ON_EXIT))
		return dmarace_refuse(r, "%s: '%.40s', valid are " DMARACE_ON_ENTER " "
				      DMARACE_ON_EXIT, w->key,
				      w->value);
	*to = !strcmp(w->value, DMARACE_ON_EXIT);
	return 0;
}

int dmarace_set(struct reason *r, struct dmarace_word *w, const struct key *k,
		struct dmarace_request *req)
{
	void *to = (char *)req + k->at;

	if (k->has)
		*(bool *)((char *)req + k->has) = true;
	switch (k->kind) {
	case NAME:
		return set_name(r, w, to);
	case FLAG:
		return set_flag(r, w, to);
	case NUMBER:
		return set_number(r, w, k, to);
	case SEED:
		return set_seed(r, w, to);
	case TIME:
		return set_time(r, w, w->value, k->high, to);
	case RANGE:
		return set_range(r, w, k, to, &req->rule.delay_max);
	case WAITS:
		return set_waits(r, w, &req->rule);
	case ON:
		return set_on(r, w, to);
	}
	return -1;
}
