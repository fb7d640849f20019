// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of lines, the numbers and times in them, patterns, and what chance draws
 * from names.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stdio.h>
#include <string.h>
#endif

#include "parse.h"

#define LIMIT		0x7fffffffffffffffULL
#define UNSIGNED_LIMIT	0xffffffffffffffffULL

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Reads a quoted value whose first quote is at text; returns what follows. */
static char *unquote(char *text)
{
	char *to = text;
	char *at = text + 1;

	while (*at && *at != '"') {
		if (*at == '\\') {
			at++;
			if (*at != '"' && *at != '\\')
				return NULL;
		}
		*to++ = *at++;
	}
	if (*at != '"')
		return NULL;
	*to = '\0';
	return at + 1;
}

/* Cuts one word off at text; returns what follows it, or NULL. */
static char *cut_word(char *text, struct dmarace_word *word)
{
	char *at = text;

	word->key = text;
	while (is_key_char(*at))
		at++;
	if (at == text || *at != '=')
		return NULL;
	*at++ = '\0';
	word->value = at;
	if (*at == '"')
		return unquote(at);
	while (*at && *at != ' ' && *at != '"' && *at != '\\')
		at++;
	return at;
}

char *dmarace_cut(char **text, char mark)
{
	char *line = *text;
	bool quoted = false;
	char *at;

	for (at = line; *at && (quoted || *at != mark); at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && *at == '\\' && at[1])
			at++;
	}
	*text = *at ? at + 1 : NULL;
	*at = '\0';
	return line;
}

static int split_words(char *rest, struct dmarace_words *words, char *reason,
		       size_t room)
{
	char *next;
	char mark;

	while (rest) {
		if (words->count == DMARACE_WORDS_MAX) {
			snprintf(reason, room, "more than %d words",
				 DMARACE_WORDS_MAX);
			return -1;
		}
		next = cut_word(rest, &words->word[words->count]);
		mark = next ? *next : '?';
		if (mark && mark != ' ') {
			snprintf(reason, room,
				 "word %u after '%s' is no key=value with single spaces between, quoted where it must be",
				 words->count + 1, words->verb);
			return -1;
		}
		*next = '\0';
		words->count++;
		rest = mark ? next + 1 : NULL;
	}
	return 0;
}

int dmarace_split(char *line, struct dmarace_words *words, char *reason,
		  size_t room)
{
	char *at;

	words->verb = line;
	words->count = 0;
	for (at = line; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f) {
			snprintf(reason, room, "control character 0x%02x",
				 (unsigned char)*at);
			return -1;
		}
	}
	for (at = line; is_key_char(*at); at++)
		;
	if (at == line || (*at && *at != ' ')) {
		snprintf(reason, room, "'%.40s' does not begin with a request",
			 line);
		return -1;
	}
	if (!*at)
		return 0;
	*at = '\0';
	return split_words(at + 1, words, reason, room);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Reads digits at *text and moves it on. */
static int read_digits(const char **text, int base, unsigned long long *value)
{
	const char *at = *text;

	*value = 0;
	for (; digit(*at) < base; at++) {
		if (*value > (UNSIGNED_LIMIT - digit(*at)) / base)
			return -1;
		*value = *value * base + digit(*at);
	}
	if (at == *text)
		return -1;
	*text = at;
	return 0;
}

int dmarace_unsigned(const char *text, unsigned long long *value)
{
	int base = 10;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	if (read_digits(&text, base, value) || *text)
		return -1;
	return 0;
}

int dmarace_number(const char *text, long long *value)
{
	unsigned long long size;
	bool minus = *text == '-';

	if (minus)
		text++;
	if (dmarace_unsigned(text, &size) || size > LIMIT)
		return -1;
	*value = minus ? -(long long)size : (long long)size;
	return 0;
}

int dmarace_time(const char *text, long long *ns)
{
	static const struct {
		const char *name;
		unsigned long long ns;
	} units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	};
	unsigned long long size;
	size_t i;

	if (read_digits(&text, 10, &size))
		return -1;
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(text, units[i].name))
			continue;
		if (size > LIMIT / units[i].ns)
			return -1;
		*ns = (long long)(size * units[i].ns);
		return 0;
	}
	return -1;
}

const char *dmarace_error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define X(error)	{ -(error), #error },
		DMARACE_ERRORS(X)
#undef X
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].error == error)
			return names[i].name;
	return "EIO";
}

bool dmarace_glob(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *back = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			back = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool dmarace_same_function(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(symbol, name, length))
		return false;
	return !symbol[length] || symbol[length] == '.' || symbol[length] == ' ';
}

static unsigned long long mix(unsigned long long x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static unsigned long long mix_text(unsigned long long x, const char *text)
{
	for (; *text; text++)
		x = (x ^ (unsigned char)*text) * 0x100000001b3ULL;
	return mix(x ^ 0x9e3779b97f4a7c15ULL);
}

unsigned long long dmarace_hash(unsigned long long seed, const char *rule,
				const char *dev, unsigned long long hit)
{
	return mix(mix_text(mix_text(mix(seed), rule), dev) + hit);
}

long long dmarace_draw_delay(unsigned long long hash, long long min,
			     long long max)
{
	unsigned long long span = (unsigned long long)(max - min) + 1;

	return min + (long long)(mix(hash ^ 'd') % span);
}

bool dmarace_draw_chance(unsigned long long hash, long long percent)
{
	return (long long)(mix(hash ^ 'p') % 100) < percent;
}
