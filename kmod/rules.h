/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 4, rules: what is done to a call at which point, while a session is
 * open. Under setup_lock, but where it is said.
 */
#ifndef DMARACE_RULES_H
#define DMARACE_RULES_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "detour.h"
#include "dmarace_abi.h"
#include "parse.h"
#include "report.h"

struct armed_rule {
	struct dmarace_rule rule;
	struct probe *probes[8];
	unsigned int probe_count;
	struct probe *watch;		/* iommu_device_register, or NULL */
	int wait_id[DMARACE_WAITS_MAX];
	int blocked_id[DMARACE_WAITS_MAX];
	bool may_sleep;
	bool once;			/* loaded with rules=, not adopted yet */
	/* Counts since the session was opened, under session.lock. */
	u64 hits, acted, met, blocked, timeout, released, atomic;
	u64 undrawn;			/* hits of devices that could not be counted */
};

extern struct armed_rule rules[DMARACE_RULES_MAX];
extern unsigned int rule_count;

/* Makes a rule ready; rule_commit() or rule_unstage() takes it. */
struct armed_rule *rule_stage(const struct dmarace_rule *rule, char *reason,
			      size_t room);
void rule_unstage(struct armed_rule *armed);
/* On an error it is still the caller's: others may have taken room and name. */
int rule_commit(struct armed_rule *armed);
bool rules_have_name(const char *name);
/* No session is open, and the last one is drained. */
void rules_drop(void);
/* Those of rules= become the owner's: without budget, as often as they say. */
void rules_adopt(void);
void rules_forget_counts(void);
void rules_report_counts(struct reader *to);

/* Whether rules act, and the latches of signals. Any context. */
struct session {
	spinlock_t lock;		/* of all but the atomic ones, of signals and counts */
	wait_queue_head_t wait;		/* of held tasks, and of who drains */
	bool open;
	unsigned long long seed;
	s64 budget_ns;			/* of all holds of rules= at load */
	atomic_t held;			/* tasks in a hold */
	atomic_t asleep;		/* these, and those in a delay */
	atomic_t busy;			/* tasks that look at rules */
};

extern struct session session;

/* Is a session open, and still the one that a call began in? */
bool session_is_open(u32 epoch);
void session_open(const char *why, unsigned long long seed);
/* Touches no rule. */
void session_close(const char *why);
/* Waits until no task looks at rules. Sleeps; under setup_lock, when closed. */
void session_drain(void);

int signal_intern(const char *name);
void signal_raise(const char *name, const char *by);
/* Its number, or -1 where nobody waits for it. */
int signal_latch(const char *name);
/* What was raised in the session of this epoch is no longer so. Takes no lock. */
void signal_lower(int id, u32 epoch);
bool signal_is_up(int id);
const char *signal_name(int id);
void signals_forget(void);

/* engine.c: the hooks of the detour. */
extern const struct detour_hooks engine_hooks;
/* Under session.lock. */
void engine_forget_hits(void);

/* Half of the hung task detector's patience is the longest hold. */
void hold_read_limit(void);

bool hold_is_met(const struct armed_rule *armed);

/* contention.c: who waits for a lock of a task that is in a hold. */
struct holder {
	struct list_head list;
	const struct task_struct *task;
	const struct armed_rule *armed;
	struct who who;
};

void holder_add(struct holder *holder, const struct armed_rule *armed);
void holder_remove(struct holder *holder);
void contention_init(void);
void contention_exit(void);
void contention_report(struct line *line);

/* points.c: the table. */
int points_resolve(struct armed_rule *armed, char *reason, size_t room);
void points_put(struct armed_rule *armed);
int points_report(struct reader *to);
struct probe *points_watch_deferrals(void);
void points_unwatch(struct probe *probe);
bool point_key(const char *point, struct probe_key *key);
bool point_has(const struct armed_rule *armed, const struct probe *probe);
/* Takes over the caller's use of the probe, on error as well. */
int point_add(struct armed_rule *armed, struct probe *probe);
void point_replace(struct armed_rule *armed, unsigned int at,
		   struct probe *probe);

/* found.c: symbols of the table that are no names, "ops:" and "rmw:". */
bool is_operation(const char *symbol);
bool operation_exists(const char *symbol);
int operation_resolve(const struct probe_key *key, struct armed_rule *armed);
/* An instance registers in a call that began in this epoch; takes setup_lock. */
void operations_registered(struct call *call);
bool is_bitfield(const char *symbol);
const char *bitfield_function(const char *symbol);
/* Returns how many; if none, says why. */
unsigned int bitfield_find(const char *symbol, struct dmarace_store *found,
			   const char **why);

#endif
