// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file keeps the probes: one for each symbol or address that somebody
 * wants, however many rules that are. All under control_lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "dmarace.h"

#define PROBES_MAX	256

static struct probe probes[PROBES_MAX];

static struct probe *probe_find(const struct probe_key *key)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].address == key->address &&
		    probes[i].offset == key->offset &&
		    !strcmp(probes[i].symbol, key->symbol))
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

static void probe_describe(struct probe *probe, const struct probe_key *key)
{
	memset(probe, 0, sizeof(*probe));
	strscpy(probe->symbol, key->symbol, sizeof(probe->symbol));
	probe->offset = key->offset;
	probe->address = key->address;
	probe->dev = key->dev;
	probe->group = key->group;
	probe->pci = key->pci;
	probe->sleeps = key->sleeps;
	probe->locks = key->locks;
}

/*
 * The probe of a symbol, registered; of a symbol in a module that is not
 * loaded, one that waits for it.
 */
struct probe *probe_get(const struct probe_key *key)
{
	struct probe *probe = probe_find(key);
	int error;

	if (probe) {
		probe->users++;
		return probe;
	}
	probe = probe_free_one();
	if (!probe)
		return ERR_PTR(-ENOSPC);
	probe_describe(probe, key);
	error = probe_register(probe);
	if (error && !(error == -ENOENT && strchr(key->symbol, ':')))
		return ERR_PTR(error);
	probe->users = 1;
	return probe;
}

void probe_put(struct probe *probe)
{
	if (!--probe->users)
		probe_unregister(probe);
}

void probes_gate(bool open)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].registered)
			probe_gate(&probes[i], open && probes[i].users);
}

unsigned long probes_missed(void)
{
	unsigned long missed = 0;
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].registered)
			missed += probe_missed(&probes[i]);
	return missed;
}

static bool belongs_to(const struct probe *probe, const struct module *mod)
{
	size_t length = strlen(mod->name);

	return !strncmp(probe->symbol, mod->name, length) &&
	       probe->symbol[length] == ':';
}

/* Found by address, which is gone with the module. */
static bool lies_in(const struct probe *probe, struct module *mod)
{
	return probe->address &&
	       within_module((unsigned long)probe->address, mod);
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

		if (!probe->users)
			continue;
		if (action == MODULE_STATE_GOING && lies_in(probe, data)) {
			probe_unregister(probe);
			probe->address = NULL;
		}
		if (!belongs_to(probe, data))
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

int probes_init(void)
{
	return register_module_notifier(&module_notifier);
}

void probes_exit(void)
{
	unregister_module_notifier(&module_notifier);
}
