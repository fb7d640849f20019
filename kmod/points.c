// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file finds the symbols of points in the running kernel and keeps one
 * probe for each symbol that is wanted. All under control_lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dmarace.h"
#include "dmarace_points.h"
#include "words.h"

#define PROBES_MAX	256

static struct probe probes[PROBES_MAX];

static bool in_module(const char *symbol)
{
	return strchr(symbol, ':');
}

static const struct dmarace_point_row *row_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < DMARACE_POINT_ROWS; i++)
		if (!strcmp(dmarace_point_rows[i].name, name))
			return &dmarace_point_rows[i];
	return NULL;
}

bool probe_may_sleep(const struct probe *probe)
{
	return !probe->row || probe->row->sleeps;
}

/* Of any symbol we know nothing: the worst is assumed. */
unsigned int probe_locks(const struct probe *probe)
{
	return probe->row ? probe->row->locks : DMARACE_LOCK_GROUP;
}

static struct probe *probe_find(const char *symbol, unsigned long offset)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].offset == offset &&
		    !strcmp(probes[i].symbol, symbol))
			return &probes[i];
	return NULL;
}

/* A probe that lost a task stays registered and is not used again. */
static struct probe *probe_free_one(void)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (!probes[i].users && !probes[i].registered)
			return &probes[i];
	return NULL;
}

/*
 * The probe of a symbol, registered; of a symbol in a module that is not
 * loaded, one that waits for it.
 */
static struct probe *probe_get(const struct dmarace_point_row *row,
			       const struct dmarace_symbol *symbol,
			       unsigned long offset)
{
	struct probe *probe = probe_find(symbol->name, offset);
	int error;

	if (probe) {
		probe->users++;
		return probe;
	}
	probe = probe_free_one();
	if (!probe)
		return ERR_PTR(-ENOSPC);
	memset(probe, 0, sizeof(*probe));
	strscpy(probe->symbol, symbol->name, sizeof(probe->symbol));
	probe->offset = offset;
	probe->row = row;
	probe->dev = symbol->dev;
	probe->group = symbol->group;
	probe->pci = symbol->flags & DMARACE_SYM_PCI;
	error = probe_register(probe);
	if (error && !(error == -ENOENT && in_module(symbol->name)))
		return ERR_PTR(error);
	probe->users = 1;
	return probe;
}

static void probe_put(struct probe *probe)
{
	if (!--probe->users)
		probe_unregister(probe);
}

static int add_probe(struct armed_rule *armed, struct probe *probe)
{
	if (armed->probe_count == ARRAY_SIZE(armed->probes)) {
		probe_put(probe);
		return -ENOSPC;
	}
	armed->probes[armed->probe_count++] = probe;
	if (armed->rule.on_exit)
		atomic_inc(&probe->exits);
	return 0;
}

void points_put(struct armed_rule *armed)
{
	while (armed->probe_count) {
		struct probe *probe = armed->probes[--armed->probe_count];

		if (armed->rule.on_exit)
			atomic_dec(&probe->exits);
		probe_put(probe);
	}
}

static int refuse_symbol(const char *point, const char *symbol, int error,
			 char *reason, size_t room)
{
	if (error == -ENOENT)
		scnprintf(reason, room,
			  "point '%s' is not in this kernel: no symbol %s",
			  point, symbol);
	else
		scnprintf(reason, room,
			  "point '%s': the kernel refuses a kprobe on %s (error %d)",
			  point, symbol, error);
	return error;
}

/* A row: the first of the plain symbols that exists, and every other one. */
static int resolve_row(const struct dmarace_point_row *row,
		       struct armed_rule *armed, char *reason, size_t room)
{
	const struct dmarace_symbol *symbol = row->syms;
	const char *missing = row->syms[0].name;
	bool plain = false;
	struct probe *probe;
	int error = -ENOENT;

	for (; symbol < row->syms + DMARACE_SYMS_MAX && symbol->name; symbol++) {
		if (!(symbol->flags & DMARACE_SYM_ALSO) && plain)
			continue;
		probe = probe_get(row, symbol, 0);
		if (IS_ERR(probe)) {
			if (PTR_ERR(probe) != -ENOENT) {
				error = PTR_ERR(probe);
				missing = symbol->name;
			}
			continue;
		}
		if (!(symbol->flags & DMARACE_SYM_ALSO))
			plain = true;
		if (add_probe(armed, probe))
			break;
	}
	if (armed->probe_count)
		return 0;
	return refuse_symbol(row->name, missing, error, reason, room);
}

/* Any symbol, with unsafe=1: NAME or NAME+OFFSET. */
static int resolve_symbol(struct armed_rule *armed, char *reason, size_t room)
{
	const struct dmarace_rule *rule = &armed->rule;
	struct dmarace_symbol symbol = { .dev = rule->arg, .group = -1 };
	char name[DMARACE_NAME_MAX];
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
	if (offset && (rule->on_exit || rule->has_value)) {
		scnprintf(reason, room,
			  "on=exit and return= need the beginning of a function");
		return -EINVAL;
	}
	symbol.name = name;
	probe = probe_get(NULL, &symbol, offset);
	if (IS_ERR(probe))
		return refuse_symbol(rule->point, name, PTR_ERR(probe), reason,
				     room);
	return add_probe(armed, probe);
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
	if (!row->sleeps && !rule->unsafe && (rule->waits || rule->delay_max)) {
		scnprintf(reason, room,
			  "point '%s' may not sleep: delay and wait_for need unsafe=1",
			  rule->point);
		return -EINVAL;
	}
	return resolve_row(row, armed, reason, room);
}

void points_gate(bool open)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].registered)
			probe_gate(&probes[i], open && probes[i].users);
}

unsigned long points_missed(void)
{
	unsigned long missed = 0;
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].registered)
			missed += probe_missed(&probes[i]);
	return missed;
}

/* Watches really_probe for -EPROBE_DEFER; NULL if that cannot be done. */
struct probe *points_watch_deferrals(void)
{
	const struct dmarace_point_row *row = row_find("really_probe");
	struct probe *probe = probe_get(row, &row->syms[0], 0);

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

static bool belongs_to(const struct probe *probe, const struct module *mod)
{
	size_t length = strlen(mod->name);

	return !strncmp(probe->symbol, mod->name, length) &&
	       probe->symbol[length] == ':';
}

static int module_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	unsigned int i;

	if (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	mutex_lock(&control_lock);
	for (i = 0; i < PROBES_MAX; i++) {
		struct probe *probe = &probes[i];

		if (!probe->users || !belongs_to(probe, data))
			continue;
		if (action == MODULE_STATE_GOING)
			probe_unregister(probe);
		else if (probe_register(probe))
			pr_warn("%s: error %d\n", probe->symbol, probe->error);
		else
			probe_gate(probe, READ_ONCE(state.open));
	}
	mutex_unlock(&control_lock);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_event,
};

int points_init(void)
{
	return register_module_notifier(&module_notifier);
}

void points_exit(void)
{
	unregister_module_notifier(&module_notifier);
}
