// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rule's point as probes: the rows of the table, their alternates, and any
 * other symbol with unsafe=1; and which rows this kernel has.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "devices.h"
#include "dmarace_points.h"
#include "report.h"
#include "rules.h"

static const struct dmarace_point_row *row_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < DMARACE_POINT_ROWS; i++)
		if (!strcmp(dmarace_point_rows[i].name, name))
			return &dmarace_point_rows[i];
	return NULL;
}

static struct probe_key key_of(const struct dmarace_point_row *row,
			       const struct dmarace_symbol *symbol)
{
	struct probe_key key = {
		.symbol = symbol->name,
		.dev = compat_device_argument(symbol->name, symbol->dev),
		.group = symbol->group,
		.kind = symbol->flags & DMARACE_SYM_PCI ? ARGUMENT_PCI :
							 ARGUMENT_DEVICE,
		.sleeps = row->facts & DMARACE_SLEEPS,
		.locks = row->locks,
	};

	return key;
}

bool point_key(const char *point, struct probe_key *key)
{
	const struct dmarace_point_row *row = row_find(point);

	if (row)
		*key = key_of(row, &row->syms[0]);
	return row;
}

static void use_probe(struct armed_rule *armed, unsigned int at,
		      struct probe *probe)
{
	if (armed->rule.on_exit)
		atomic_inc(&probe->exits);
	WRITE_ONCE(armed->probes[at], probe);
}

static void unuse_probe(struct armed_rule *armed, struct probe *probe)
{
	if (armed->rule.on_exit)
		atomic_dec(&probe->exits);
	probe_put(probe);
}

bool point_has(const struct armed_rule *armed, const struct probe *probe)
{
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++)
		if (armed->probes[i] == probe)
			return true;
	return false;
}

int point_add(struct armed_rule *armed, struct probe *probe)
{
	if (point_has(armed, probe)) {
		probe_put(probe);
		return 0;
	}
	if (armed->probe_count == ARRAY_SIZE(armed->probes)) {
		probe_put(probe);
		return -ENOSPC;
	}
	use_probe(armed, armed->probe_count, probe);
	armed->probe_count++;
	return 0;
}

void point_replace(struct armed_rule *armed, unsigned int at,
		   struct probe *probe)
{
	struct probe *old = armed->probes[at];

	use_probe(armed, at, probe);
	unuse_probe(armed, old);
}

void points_put(struct armed_rule *armed)
{
	while (armed->probe_count)
		unuse_probe(armed, armed->probes[--armed->probe_count]);
	if (armed->watch) {
		armed->watch->registrations--;
		probe_put(armed->watch);
		armed->watch = NULL;
	}
}

static int refuse_symbol(const char *point, const char *symbol, int error,
			 char *reason, size_t room)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	const char *why = NULL;

	if (is_bitfield(symbol))
		bitfield_find(symbol, stores, &why);
	if (error == -ENOENT && why)
		scnprintf(reason, room, "point '%s' is not in this kernel: %s: %s",
			  point, bitfield_function(symbol), why);
	else if (error == -ENOENT)
		scnprintf(reason, room,
			  "point '%s' is not in this kernel: no symbol %s",
			  point, symbol);
	else if (error == -EEXIST)
		scnprintf(reason, room,
			  "point '%s': another rule takes other arguments of %s for its device or group",
			  point, symbol);
	else
		scnprintf(reason, room,
			  "point '%s': the kernel refuses a kprobe on %s (error %d)",
			  point, symbol, error);
	/* These two would say who owns the module. */
	return error == -EBUSY || error == -EPERM ? -EOPNOTSUPP : error;
}

/* Every store that ends a read-modify-write in a function. */
static int resolve_bitfield(const struct dmarace_point_row *row,
			    const struct dmarace_symbol *symbol,
			    struct armed_rule *armed)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	struct probe_key key = key_of(row, symbol);
	unsigned int i, count;
	const char *why;

	count = bitfield_find(symbol->name, stores, &why);
	key.symbol = bitfield_function(symbol->name);
	for (i = 0; i < count; i++) {
		struct probe *probe;

		key.offset = stores[i].offset;
		key.dev = stores[i].base;
		probe = probe_get(&key);
		if (IS_ERR(probe))
			return PTR_ERR(probe);
		if (point_add(armed, probe))
			return -ENOSPC;
	}
	return count ? 0 : -ENOENT;
}

static int resolve_one(const struct dmarace_point_row *row,
		       const struct dmarace_symbol *symbol,
		       struct armed_rule *armed)
{
	struct probe_key key = key_of(row, symbol);
	struct probe *probe;

	if (is_operation(symbol->name))
		return operation_resolve(&key, armed);
	if (is_bitfield(symbol->name))
		return resolve_bitfield(row, symbol, armed);
	probe = probe_get(&key);
	if (IS_ERR(probe))
		return PTR_ERR(probe);
	return point_add(armed, probe);
}

/* A row: the first of the plain symbols that exists, and every other one. */
static int resolve_row(const struct dmarace_point_row *row,
		       struct armed_rule *armed, char *reason, size_t room)
{
	const struct dmarace_symbol *symbol = row->syms;
	const char *missing = row->syms[0].name;
	bool plain = false;
	int error = -ENOENT;
	int result;

	for (; symbol < row->syms + DMARACE_SYMS_MAX && symbol->name; symbol++) {
		if (!(symbol->flags & DMARACE_SYM_ALSO) && plain)
			continue;
		result = resolve_one(row, symbol, armed);
		if (result && result != -ENOENT) {
			error = result;
			missing = symbol->name;
		}
		if (!result && !(symbol->flags & DMARACE_SYM_ALSO))
			plain = true;
	}
	if (armed->probe_count || armed->watch)
		return 0;
	return refuse_symbol(row->name, missing, error, reason, room);
}

static int refuse_inside(char *reason, size_t room)
{
	scnprintf(reason, room,
		  "on=exit and return= need the beginning of a function");
	return -EINVAL;
}

/* Any symbol, with unsafe=1: NAME or NAME+OFFSET. */
static int resolve_symbol(struct armed_rule *armed, char *reason, size_t room)
{
	const struct dmarace_rule *rule = &armed->rule;
	char name[DMARACE_NAME_MAX];
	/* Nothing is known of its locks: the worst is assumed. */
	struct probe_key key = {
		.symbol = name,
		.dev = rule->arg,
		.kind = ARGUMENT_ANY,
		.group = -1,
		.sleeps = true,
		.locks = DMARACE_LOCK_GROUP,
	};
	long long offset = 0;
	struct probe *probe;
	char *plus;

	strscpy(name, rule->point, sizeof(name));
	plus = strchr(name, '+');
	if (plus) {
		*plus++ = '\0';
		if (dmarace_number(plus, &offset) || offset < 0) {
			scnprintf(reason, room, "point: '%s' is no offset",
				  plus);
			return -EINVAL;
		}
	}
	if (offset && (rule->on_exit || rule->has_value))
		return refuse_inside(reason, room);
	key.offset = offset;
	probe = probe_get(&key);
	if (IS_ERR(probe))
		return refuse_symbol(rule->point, name, PTR_ERR(probe), reason,
				     room);
	return point_add(armed, probe);
}

/* Fills armed->probes. Returns a negative error with its reason. */
int points_resolve(struct armed_rule *armed, char *reason, size_t room)
{
	const struct dmarace_rule *rule = &armed->rule;
	const struct dmarace_point_row *row = row_find(rule->point);

	if (!row && !rule->unsafe) {
		scnprintf(reason, room,
			  "point: unknown '%s', the request points lists them; any other symbol needs unsafe=1",
			  rule->point);
		return -EINVAL;
	}
	if (!row)
		return resolve_symbol(armed, reason, room);
	if (rule->arg >= 0) {
		scnprintf(reason, room, "arg: point '%s' knows its arguments",
			  rule->point);
		return -EINVAL;
	}
	if (!(row->facts & DMARACE_SLEEPS) && !rule->unsafe && (rule->waits || rule->delay_max)) {
		scnprintf(reason, room,
			  "point '%s' may not sleep: delay and wait_for need unsafe=1",
			  rule->point);
		return -EINVAL;
	}
	if (is_bitfield(row->syms[0].name) && (rule->on_exit || rule->has_value))
		return refuse_inside(reason, room);
	return resolve_row(row, armed, reason, room);
}

/* Watches really_probe for -EPROBE_DEFER; NULL if that cannot be done. */
struct probe *points_watch_deferrals(void)
{
	const struct dmarace_point_row *row = row_find("really_probe");
	struct probe_key key = key_of(row, &row->syms[0]);
	struct probe *probe = probe_get(&key);

	if (IS_ERR(probe)) {
		pr_warn("no deferred: signals, really_probe: error %ld\n",
			PTR_ERR(probe));
		return NULL;
	}
	probe->deferrals = true;
	atomic_inc(&probe->exits);
	return probe;
}

void points_unwatch(struct probe *probe)
{
	if (!probe)
		return;
	probe->deferrals = false;
	atomic_dec(&probe->exits);
	probe_put(probe);
}

/*
 * The request 'points': which rows this kernel has, found out by registering
 * disabled probes, which patches nothing.
 */

#define TRIALS	(DMARACE_POINT_ROWS * DMARACE_SYMS_MAX)

struct trial {
	struct kprobe kp;
	int error;
};

static int __kprobes never(struct kprobe *kp, struct pt_regs *regs)
{
	return 0;
}

/* Those that are found without a probe on a name. */
static bool is_found(const char *symbol, int *error)
{
	struct dmarace_store stores[DMARACE_STORES_MAX];
	const char *why;

	if (is_operation(symbol)) {
		/* Armed when a driver registers, if none has. */
		if (operation_exists(symbol))
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
		trial->kp.pre_handler = never;
		trial->kp.flags = KPROBE_FLAG_DISABLED;
		trial->error = named_register(&trial->kp, symbol->name);
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
