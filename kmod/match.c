// SPDX-License-Identifier: GPL-2.0-only
/* This file matches names and draws by hash. */
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#include "rule.h"

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
