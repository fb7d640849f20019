// SPDX-License-Identifier: GPL-2.0-only
/*
 * Request lines checked word by word. Every refusal names the bad word and what
 * would have been right.
 */
#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#endif

#include "parse.h"

#define NO_LIMIT	0x7fffffffffffffffLL
#define U32_LIMIT	0xffffffffLL

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
static __printf(2, 3) int refuse(struct reason *r, const char *format, ...)
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
		return refuse(r, "%s: empty", w->key);
	if (length >= DMARACE_NAME_MAX)
		return refuse(r, "%s: '%.20s..' has %zu characters, %d at most",
			      w->key, w->value, length, DMARACE_NAME_MAX - 1);
	memcpy(to, w->value, length + 1);
	return 0;
}

static int set_number(struct reason *r, const struct dmarace_word *w,
		      const struct key *k, long long *to)
{
	if (dmarace_number(w->value, to))
		return refuse(r, "%s: '%.40s' is no whole number", w->key,
			      w->value);
	if (*to < k->low || *to > k->high)
		return refuse(r, "%s: '%.40s' is outside %lld..%lld", w->key,
			      w->value, k->low, k->high);
	return 0;
}

static int set_seed(struct reason *r, const struct dmarace_word *w,
		    unsigned long long *to)
{
	if (dmarace_unsigned(w->value, to))
		return refuse(r, "%s: '%.40s' is no whole number of 64 bits",
			      w->key, w->value);
	return 0;
}

static int set_time(struct reason *r, const struct dmarace_word *w,
		    const char *text, long long max_ms, long long *to)
{
	if (dmarace_time(text, to))
		return refuse(r, "%s: '%.40s' is no time: a number with ns, us, ms or s",
			      w->key, text);
	if (*to > max_ms * 1000000)
		return refuse(r, "%s: '%.40s' is above %lld ms", w->key, text,
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
		return refuse(r, "%s: '%.40s' is above '%.40s'", w->key, w->value,
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
			return refuse(r, "%s: more than %d signals", w->key,
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
		return refuse(r, "%s: '%.40s', valid are 0 1", w->key, w->value);
	*to = w->value[0] == '1';
	return 0;
}

static int set_on(struct reason *r, const struct dmarace_word *w, bool *to)
{
	if (strcmp(w->value, DMARACE_ON_ENTER) && strcmp(w->value, DMARACE_ON_EXIT))
		return refuse(r, "%s: '%.40s', valid are " DMARACE_ON_ENTER " "
			      DMARACE_ON_EXIT, w->key,
			      w->value);
	*to = !strcmp(w->value, DMARACE_ON_EXIT);
	return 0;
}

static int set_value(struct reason *r, struct dmarace_word *w, const struct key *k,
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

#define REQ(field)	offsetof(struct dmarace_request, field)

static const struct key id_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ NULL }
};

static const struct key where_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_DEV, NAME, REQ(dev) },
	{ NULL }
};

static const struct key audit_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_DEV, NAME, REQ(dev) },
	{ DMARACE_K_MAP, FLAG, REQ(map) },
	{ NULL }
};

static const struct key actor_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_NAME, NAME, REQ(name) },
	{ DMARACE_K_PID, NUMBER, REQ(pid), 0, 1, 0x7fffffff },
	{ NULL }
};

static const struct key signal_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_NAME, NAME, REQ(name) },
	{ NULL }
};

static const struct key arm_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_ITER, NUMBER, REQ(iter), 0, 0, U32_LIMIT },
	{ DMARACE_K_SEED, SEED, REQ(seed) },
	{ NULL }
};

static const struct key uevent_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_KIND, NAME, REQ(name) },
	{ DMARACE_K_DEV, NAME, REQ(dev) },
	{ DMARACE_K_ITER, NUMBER, REQ(iter), 0, 0, U32_LIMIT },
	{ NULL }
};

static const struct key rule_keys[] = {
	{ DMARACE_K_ID, NAME, REQ(id) },
	{ DMARACE_K_POINT, NAME, REQ(rule.point) },
	{ DMARACE_K_ON, ON, REQ(rule.on_exit) },
	{ DMARACE_K_NAME, NAME, REQ(rule.name) },
	{ DMARACE_K_DEV, NAME, REQ(rule.dev) },
	{ DMARACE_K_GROUP, NUMBER, REQ(rule.group), 0, 0, 0x7fffffff },
	{ DMARACE_K_TASK, NAME, REQ(rule.task) },
	{ DMARACE_K_ACTOR, NAME, REQ(rule.actor) },
	{ DMARACE_K_FROM, NAME, REQ(rule.from) },
	{ DMARACE_K_NTH, NUMBER, REQ(rule.nth), 0, 1, U32_LIMIT },
	{ DMARACE_K_RET, NUMBER, REQ(rule.ret), REQ(rule.has_ret), -NO_LIMIT, NO_LIMIT },
	{ DMARACE_K_PROBABILITY, NUMBER, REQ(rule.probability), 0, 0, 100 },
	{ DMARACE_K_INTERVAL, NUMBER, REQ(rule.interval), 0, 1, U32_LIMIT },
	{ DMARACE_K_TIMES, NUMBER, REQ(rule.times), 0, 1, U32_LIMIT },
	{ DMARACE_K_SPACE, NUMBER, REQ(rule.space), 0, 0, U32_LIMIT },
	{ DMARACE_K_DELAY, RANGE, REQ(rule.delay_min), 0, 0, DMARACE_DELAY_MAX_MS },
	{ DMARACE_K_SIGNAL, NAME, REQ(rule.signal) },
	{ DMARACE_K_WAIT_FOR, WAITS, REQ(rule.wait) },
	{ DMARACE_K_TIMEOUT, TIME, REQ(rule.timeout), 0, 0, DMARACE_HOLD_MAX_MS },
	{ DMARACE_K_RETURN, NUMBER, REQ(rule.value), REQ(rule.has_value),
	  -NO_LIMIT, NO_LIMIT },
	{ DMARACE_K_UNSAFE, FLAG, REQ(rule.unsafe) },
	{ DMARACE_K_ARG, NUMBER, REQ(rule.arg), 0, 0, 7 },
	{ DMARACE_K_OPTIONAL, FLAG, REQ(rule.optional) },
	{ NULL }
};

static const struct verb {
	const char *name;
	const struct key *keys;
	const char *must[3];
} verbs[] = {
	[DMARACE_DO_ABI]	= { DMARACE_V_ABI, id_keys },
	[DMARACE_DO_POINTS]	= { DMARACE_V_POINTS, id_keys },
	[DMARACE_DO_STATUS]	= { DMARACE_V_STATUS, id_keys },
	[DMARACE_DO_AUDIT]	= { DMARACE_V_AUDIT, audit_keys },
	[DMARACE_DO_WHERE]	= { DMARACE_V_WHERE, where_keys, { DMARACE_K_DEV } },
	[DMARACE_DO_SETTLE]	= { DMARACE_V_SETTLE, id_keys },
	[DMARACE_DO_RULE]	= { DMARACE_V_RULE, rule_keys, { DMARACE_K_POINT } },
	[DMARACE_DO_ACTOR]	= { DMARACE_V_ACTOR, actor_keys,
				    { DMARACE_K_NAME, DMARACE_K_PID } },
	[DMARACE_DO_SIGNAL]	= { DMARACE_V_SIGNAL, signal_keys, { DMARACE_K_NAME } },
	[DMARACE_DO_ARM]	= { DMARACE_V_ARM, arm_keys,
				    { DMARACE_K_ITER, DMARACE_K_SEED } },
	[DMARACE_DO_DISARM]	= { DMARACE_V_DISARM, id_keys },
	[DMARACE_DO_CLEAR]	= { DMARACE_V_CLEAR, id_keys },
	[DMARACE_DO_LEASE]	= { DMARACE_V_LEASE, id_keys },
	[DMARACE_DO_UEVENT]	= { DMARACE_V_UEVENT, uevent_keys, { DMARACE_K_KIND } },
};

#define VERBS	ARRAY_SIZE(verbs)

const char *dmarace_verb_name(enum dmarace_verb verb)
{
	return verbs[verb].name;
}

static int refuse_key(struct reason *r, const struct verb *verb, const char *key)
{
	const struct key *k;
	size_t at;

	snprintf(r->text, r->room, "%s: unknown word '%.40s', valid are", verb->name,
		 key);
	for (k = verb->keys; k->name; k++) {
		at = strlen(r->text);
		snprintf(r->text + at, r->room - at, " %s", k->name);
	}
	return -1;
}

static int refuse_verb(struct reason *r, const char *name)
{
	size_t i, at;

	snprintf(r->text, r->room, "unknown request '%.40s', valid are", name);
	for (i = 0; i < VERBS; i++) {
		at = strlen(r->text);
		snprintf(r->text + at, r->room - at, " %s", verbs[i].name);
	}
	return -1;
}

static int check_rule(struct reason *r, const struct dmarace_rule *rule)
{
	if (rule->waits && !rule->timeout)
		return refuse(r, "wait_for: needs a timeout= above 0");
	if (!rule->waits && rule->timeout)
		return refuse(r, "timeout: needs a wait_for=");
	if (rule->has_ret && !rule->on_exit)
		return refuse(r, "ret: needs on=exit");
	if (rule->arg >= 0 && !rule->unsafe)
		return refuse(r, "arg: needs unsafe=1");
	return 0;
}

static bool has_key(const struct dmarace_words *words, const char *key)
{
	unsigned int i;

	for (i = 0; i < words->count; i++)
		if (!strcmp(words->word[i].key, key))
			return true;
	return false;
}

static int take_word(struct reason *r, const struct verb *verb,
		     struct dmarace_words *words, unsigned int i,
		     struct dmarace_request *req)
{
	struct dmarace_word *w = &words->word[i];
	const struct key *k;
	unsigned int j;

	for (k = verb->keys; k->name; k++)
		if (!strcmp(k->name, w->key))
			break;
	if (!k->name)
		return refuse_key(r, verb, w->key);
	for (j = 0; j < i; j++)
		if (!strcmp(words->word[j].key, w->key))
			return refuse(r, "%s: given twice", w->key);
	return set_value(r, w, k, req);
}

static void set_defaults(struct dmarace_request *req)
{
	memset(req, 0, sizeof(*req));
	req->map = true;
	req->rule.group = -1;
	req->rule.arg = -1;
	req->rule.probability = 100;
	req->rule.interval = 1;
}

int dmarace_parse(char *line, struct dmarace_request *req, char *reason,
		  size_t room)
{
	struct reason r = { reason, room };
	struct dmarace_words words;
	const struct verb *verb;
	unsigned int i;

	set_defaults(req);
	if (dmarace_split(line, &words, reason, room))
		return -1;
	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, words.verb))
			break;
	if (i == VERBS)
		return refuse_verb(&r, words.verb);
	verb = &verbs[i];
	req->verb = (enum dmarace_verb)i;
	for (i = 0; i < words.count; i++)
		if (take_word(&r, verb, &words, i, req))
			return -1;
	for (i = 0; i < 3 && verb->must[i]; i++)
		if (!has_key(&words, verb->must[i]))
			return refuse(&r, "%s: needs %s=", verb->name,
				      verb->must[i]);
	if (req->verb == DMARACE_DO_RULE)
		return check_rule(&r, &req->rule);
	return 0;
}
