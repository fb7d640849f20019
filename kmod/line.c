// SPDX-License-Identifier: GPL-2.0-only
/* This file writes lines of the contract into a buffer, word by word. */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "dmarace.h"

static __printf(2, 3) void put(struct line *line, const char *format, ...)
{
	/* One byte for the newline. */
	unsigned int room = sizeof(line->text) - 1 - line->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line->text + line->length, room, format, args);
	va_end(args);
	if (length >= room) {
		/* A word that does not fit is left out as a whole. */
		line->cut = true;
		return;
	}
	line->length += length;
}

void line_begin(struct line *line, const char *verb)
{
	line->length = 0;
	line->cut = false;
	put(line, "%s", verb);
}

static bool is_plain(const char *value)
{
	if (!*value)
		return false;
	for (; *value; value++)
		if ((unsigned char)*value <= ' ' || strchr("\"\\\x7f", *value))
			return false;
	return true;
}

/* Appends one character, quoted if it must be. */
static void put_quoted(struct line *line, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		c = ' ';
	put(line, c == '"' || c == '\\' ? "\\%c" : "%c", c);
}

/* Empty values are left out: a fact that cannot be had is. */
void line_str(struct line *line, const char *key, const char *value)
{
	unsigned int start = line->length;
	bool cut = line->cut;

	if (!value || !*value)
		return;
	if (is_plain(value)) {
		put(line, " %s=%s", key, value);
		return;
	}
	line->cut = false;
	put(line, " %s=\"", key);
	for (; *value; value++)
		put_quoted(line, *value);
	put(line, "\"");
	if (line->cut)
		line->length = start;
	line->cut |= cut;
}

void line_num(struct line *line, const char *key, long long value)
{
	put(line, " %s=%lld", key, value);
}

void line_hex(struct line *line, const char *key, unsigned long long value)
{
	put(line, " %s=0x%llx", key, value);
}

/* A pointer as the kernel shows it to everybody: equal when it is the same. */
void line_ptr(struct line *line, const char *key, const void *value)
{
	put(line, " %s=%p", key, value);
}

void line_task(struct line *line)
{
	char actor[DMARACE_NAME_MAX];

	line_num(line, DMARACE_K_TID, current->pid);
	line_str(line, DMARACE_K_COMM, current->comm);
	actor_current(actor);
	line_str(line, DMARACE_K_ACTOR, actor);
}
