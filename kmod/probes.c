// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probes: one for each symbol or address that somebody wants, however many
 * rules that are, registered while it is wanted and its module is there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "detour.h"
#include "devices.h"

#define PROBES_MAX	256

#define TRIES_MAX	5000	/* of a millisecond or two */
#define TRIES_REAP	500

/* Of rules, probes and ownership. */
DEFINE_MUTEX(setup_lock);

static struct probe probes[PROBES_MAX];
static bool all_enabled;

/* Its being there keeps x86 from replacing the breakpoint by a jump. */
static void __kprobes after(struct kprobe *kp, struct pt_regs *regs,
			    unsigned long flags)
{
}

#if IS_ENABLED(CONFIG_LTO_CLANG)
#define RENAMED_MAX	8192

/* Where functions are whose names link-time optimisation made NAME.llvm.HASH. */
static unsigned long renamed[RENAMED_MAX];
static unsigned int renamed_count;

/* The start of what is at an address, its size and name; 0 if there is nothing. */
static unsigned long symbol_at(unsigned long at, char *name,
			       unsigned long *size)
{
	unsigned long offset;
	char *plus;

	sprint_symbol(name, at);
	plus = strrchr(name, '+');
	if (!plus || strchr(plus, '[') ||
	    sscanf(plus, "+0x%lx/0x%lx", &offset, size) != 2 || !*size)
		return 0;
	*plus = '\0';
	return at - offset;
}

/* All of the kernel, from a function of it in one direction. */
static void renamed_walk(bool up)
{
	unsigned long at = (unsigned long)wait_for_device_probe;
	char name[KSYM_SYMBOL_LEN];
	unsigned long start, size;

	for (;;) {
		start = symbol_at(at, name, &size);
		if (!start || renamed_count == RENAMED_MAX)
			return;
		if (strstr(name, ".llvm."))
			renamed[renamed_count++] = start;
		at = up ? start + size : start - 1;
		cond_resched();
	}
}

/* The one function that is called so but for that; NULL if there are several. */
static void *renamed_find(const char *name)
{
	static DEFINE_MUTEX(lock);
	static bool walked;
	char text[KSYM_SYMBOL_LEN];
	size_t length = strlen(name);
	void *found = NULL;
	unsigned int i;

	mutex_lock(&lock);
	if (!walked) {
		renamed_walk(true);
		renamed_walk(false);
		walked = true;
	}
	mutex_unlock(&lock);
	for (i = 0; i < renamed_count; i++) {
		sprint_symbol_no_offset(text, renamed[i]);
		if (strncmp(text, name, length) ||
		    strncmp(text + length, ".llvm.", 6))
			continue;
		if (found && found != (void *)renamed[i])
			return NULL;
		found = (void *)renamed[i];
	}
	return found;
}
#else
static void *renamed_find(const char *name)
{
	return NULL;
}
#endif

int named_register(struct kprobe *kp, const char *name)
{
	int error;

	kp->symbol_name = name;
	error = register_kprobe(kp);
	if (error != -ENOENT)
		return error;
	kp->addr = renamed_find(name);
	if (!kp->addr)
		return error;
	kp->symbol_name = NULL;
	return register_kprobe(kp);
}

/* One that is registered stays as it is: it may have been by whoever came first. */
static int probe_register(struct probe *probe)
{
	if (probe->registered)
		return 0;
	memset(&probe->kp, 0, sizeof(probe->kp));
	probe->kp.addr = probe->key.address;
	probe->kp.offset = probe->key.offset;
	probe->kp.pre_handler = detour_hit;
	probe->kp.post_handler = after;
	probe->enabled = false;
	probe->missed_before = 0;
	atomic_set(&probe->missed, 0);
	probe->error = probe->key.address ?
		register_kprobe(&probe->kp) :
		named_register(&probe->kp, probe->symbol);
	/* One that the kernel could not arm is no error to each of them (livepatch). */
	if (!probe->error && !arch_is_hit(&probe->kp)) {
		unregister_kprobe(&probe->kp);
		probe->error = -EOPNOTSUPP;
	}
	probe->registered = !probe->error;
	return probe->error;
}

/* Waits for those between hit and pass, who need the breakpoint once more. */
static bool probe_drain(struct probe *probe)
{
	int tries;

	WRITE_ONCE(probe->enabled, false);
	synchronize_rcu();
	for (tries = 1; atomic_read(&probe->inside); tries++) {
		if (tries == TRIES_MAX)
			return false;
		if (tries % TRIES_REAP == TRIES_REAP / 10)
			detour_reap(probe);
		usleep_range(1000, 2000);
	}
	return true;
}

/* No session is open and held tasks are on their way. */
static void probe_unregister(struct probe *probe)
{
	if (!probe->registered)
		return;
	if (!probe_drain(probe)) {
		pr_err("a task is lost inside %s, its probe stays\n",
		       probe->symbol);
		return;
	}
	unregister_kprobe(&probe->kp);
	probe->registered = false;
}

void probe_enable(struct probe *probe, bool enabled)
{
	if (enabled)
		probe->missed_before = probe->kp.nmissed +
				       atomic_read(&probe->missed);
	WRITE_ONCE(probe->enabled, enabled && probe->registered);
}

unsigned long probe_missed(const struct probe *probe)
{
	return probe->kp.nmissed + atomic_read(&probe->missed) -
	       probe->missed_before;
}

static struct probe *probe_find(const struct probe_key *key)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].key.address == key->address &&
		    probes[i].key.offset == key->offset &&
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
	probe->key = *key;
	probe->key.symbol = probe->symbol;
}

/* Two names of one function are one probe: else each call would act twice. */
static struct probe *probe_at(const void *address)
{
	unsigned int i;

	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].users && probes[i].registered &&
		    probes[i].kp.addr == address)
			return &probes[i];
	return NULL;
}

/* What one of the names knows of the arguments, all know; not two things. */
static bool agree(s8 mine, s8 other)
{
	return mine < 0 || other < 0 || mine == other;
}

static bool agree_of_kind(const struct probe_key *own,
			  const struct probe_key *key)
{
	return own->dev < 0 || key->dev < 0 || own->kind == ARGUMENT_ANY ||
	       key->kind == ARGUMENT_ANY || own->kind == key->kind;
}

static int probe_share(struct probe *probe, const struct probe_key *key)
{
	struct probe_key *own = &probe->key;

	if (!agree(own->dev, key->dev) || !agree(own->group, key->group) ||
	    !agree_of_kind(own, key))
		return -EEXIST;
	if (own->dev < 0 || (key->dev >= 0 && own->kind == ARGUMENT_ANY)) {
		own->kind = key->kind;
		own->dev = key->dev;
	}
	if (own->group < 0)
		own->group = key->group;
	own->sleeps &= key->sleeps;
	own->locks |= key->locks;
	/* A name outlives the module that its address is in. */
	if (own->address && !key->address) {
		strscpy(probe->symbol, key->symbol, sizeof(probe->symbol));
		own->address = NULL;
	}
	probe->users++;
	return 0;
}

static struct probe *shared(struct probe *probe, const struct probe_key *key)
{
	int error = probe_share(probe, key);

	return error ? ERR_PTR(error) : probe;
}

struct probe *probe_get(const struct probe_key *key)
{
	struct probe *probe = probe_find(key), *same;
	int error;

	if (probe)
		return shared(probe, key);
	probe = probe_free_one();
	if (!probe)
		return ERR_PTR(-ENOSPC);
	probe_describe(probe, key);
	error = probe_register(probe);
	if (error && !(error == -ENOENT && strchr(key->symbol, ':')))
		return ERR_PTR(error);
	same = error ? NULL : probe_at(probe->kp.addr);
	if (same) {
		unregister_kprobe(&probe->kp);
		probe->registered = false;
		return shared(same, key);
	}
	probe->users = 1;
	return probe;
}

void probe_put(struct probe *probe)
{
	if (!--probe->users)
		probe_unregister(probe);
}

void probes_enable(bool enabled)
{
	unsigned int i;

	all_enabled = enabled;
	for (i = 0; i < PROBES_MAX; i++)
		if (probes[i].registered)
			probe_enable(&probes[i], enabled && probes[i].users);
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
	return probe->key.address &&
	       within_module((unsigned long)probe->key.address, mod);
}

static void module_goes(struct probe *probe, struct module *mod)
{
	if (lies_in(probe, mod)) {
		probe_unregister(probe);
		probe->key.address = NULL;
	}
	if (belongs_to(probe, mod))
		probe_unregister(probe);
}

/* A rule may have been made since its symbols can be found: a moment before. */
static void module_comes(struct probe *probe, const struct module *mod)
{
	if (!belongs_to(probe, mod) || probe->registered)
		return;
	if (probe_register(probe))
		pr_warn("%s: error %d\n", probe->symbol, probe->error);
	else
		probe_enable(probe, all_enabled);
}

static int module_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	unsigned int i;

	if (action != MODULE_STATE_COMING && action != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	mutex_lock(&setup_lock);
	for (i = 0; i < PROBES_MAX; i++) {
		if (!probes[i].users)
			continue;
		if (action == MODULE_STATE_GOING)
			module_goes(&probes[i], data);
		else
			module_comes(&probes[i], data);
	}
	mutex_unlock(&setup_lock);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_event,
};

int detour_init(const struct detour_hooks *hooks)
{
	detour_hooks = hooks;
	return register_module_notifier(&module_notifier);
}

void detour_exit(void)
{
	unregister_module_notifier(&module_notifier);
}
