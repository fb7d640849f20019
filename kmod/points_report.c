// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file answers the request 'points': which rows of the table this kernel
 * has, found out by registering disabled probes, which patches nothing.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dmarace.h"
#include "dmarace_points.h"
#include "stores.h"

#define TRIALS	(DMARACE_POINT_ROWS * DMARACE_SYMS_MAX)

struct trial {
	struct kprobe kp;
	int error;
};

static int never(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}
NOKPROBE_SYMBOL(never);

/* Those that are found without a probe on a name. */
static bool is_found(const char *symbol, int *error)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	const char *why;

	if (is_operation(symbol)) {
		/* Armed when a driver registers, if none has. */
		*error = 0;
	} else if (is_bitfield(symbol)) {
		if (bitfield_find(symbol, stores, &why))
			*error = 0;
	} else {
		return false;
	}
	return true;
}

/* Tries every symbol; one grace period for all of them. */
static void try_all(struct trial *trials, struct kprobe **good)
{
	unsigned int i, count = 0;

	for (i = 0; i < TRIALS; i++) {
		const struct dmarace_symbol *symbol =
			&dmarace_point_rows[i / DMARACE_SYMS_MAX]
				 .syms[i % DMARACE_SYMS_MAX];
		struct trial *trial = &trials[i];

		trial->error = -ENOENT;
		if (!symbol->name)
			continue;
		if (is_found(symbol->name, &trial->error))
			continue;
		trial->kp.symbol_name = symbol->name;
		trial->kp.pre_handler = never;
		trial->kp.flags = KPROBE_FLAG_DISABLED;
		trial->error = register_kprobe(&trial->kp);
		if (!trial->error)
			good[count++] = &trial->kp;
	}
	unregister_kprobes(good, count);
}

static void lock_names(unsigned int locks, char *text, size_t room)
{
	static const char * const names[] = DMARACE_LOCK_NAMES;
	unsigned int i, at = 0;

	text[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (locks & BIT(i))
			at += scnprintf(text + at, room - at, "%s%s",
					at ? "," : "", names[i]);
	if (!at)
		strscpy(text, "none", room);
}

static void say_why(const char *symbol, int error, char *why, size_t room)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	const char *text;

	if (is_bitfield(symbol) && !bitfield_find(symbol, stores, &text))
		scnprintf(why, room, "%s: %s", bitfield_function(symbol), text);
	else if (error == -ENOENT && strchr(symbol, ':'))
		scnprintf(why, room, "%s: module not loaded", symbol);
	else if (error == -ENOENT)
		scnprintf(why, room, "%s: no such symbol", symbol);
	else
		scnprintf(why, room, "%s: kprobe refused, error %d", symbol,
			  error);
}

static int say_symbol(const char *symbol, char *text, size_t room)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	unsigned int i, count, at = 0;
	const char *why;

	if (!is_bitfield(symbol))
		return scnprintf(text, room, "%s", symbol);
	count = bitfield_find(symbol, stores, &why);
	for (i = 0; i < count; i++)
		at += scnprintf(text + at, room - at, "%s%s+%#x", i ? "," : "",
				bitfield_function(symbol), stores[i].offset);
	return at;
}

/* The symbols that a rule on this row would arm, and why not if none. */
static bool row_symbols(const struct dmarace_point_row *row,
			const struct trial *trials, char *text, size_t room,
			char *why, size_t why_room)
{
	const struct dmarace_symbol *symbol = row->syms;
	bool plain = false;
	unsigned int i, at = 0;

	text[0] = '\0';
	why[0] = '\0';
	for (i = 0; i < DMARACE_SYMS_MAX && symbol[i].name; i++) {
		bool also = symbol[i].flags & DMARACE_SYM_ALSO;

		if (trials[i].error) {
			if (!why[0])
				say_why(symbol[i].name, trials[i].error, why,
					why_room);
			continue;
		}
		if (!also && plain)
			continue;
		plain |= !also;
		if (at)
			at += scnprintf(text + at, room - at, ",");
		at += say_symbol(symbol[i].name, text + at, room - at);
	}
	return at;
}

static void report_row(const struct dmarace_point_row *row,
		       const struct trial *trials, struct reader *to)
{
	char symbols[200], why[160], locks[32];
	struct line line;
	bool found;

	found = row_symbols(row, trials, symbols, sizeof(symbols), why,
			    sizeof(why));
	lock_names(row->locks, locks, sizeof(locks));
	line_begin(&line, DMARACE_E_POINT);
	line_str(&line, DMARACE_K_NAME, row->name);
	line_num(&line, DMARACE_K_FOUND, found);
	line_str(&line, DMARACE_K_SYM, symbols);
	line_str(&line, DMARACE_K_LOCKS, locks);
	line_num(&line, DMARACE_K_SLEEPS, !!(row->facts & DMARACE_SLEEPS));
	line_str(&line, DMARACE_K_WHY, found ? "" : why);
	line_send(&line, to);
}

int points_report(struct reader *to)
{
	struct kprobe **good = kcalloc(TRIALS, sizeof(*good), GFP_KERNEL);
	struct trial *trials = kvcalloc(TRIALS, sizeof(*trials), GFP_KERNEL);
	unsigned int i;
	int error = -ENOMEM;

	if (good && trials) {
		try_all(trials, good);
		for (i = 0; i < DMARACE_POINT_ROWS; i++)
			report_row(&dmarace_point_rows[i],
				   trials + i * DMARACE_SYMS_MAX, to);
		error = 0;
	}
	kvfree(trials);
	kfree(good);
	return error;
}
