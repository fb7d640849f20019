/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the module share. */
#ifndef DMARACE_H
#define DMARACE_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "dmarace_abi.h"
#include "rule.h"

struct reader;

/* One kprobe, and one call that was sent through the detour. */

struct probe {
	struct kprobe kp;
	char symbol[DMARACE_NAME_MAX];
	unsigned long offset;
	void *address;				/* or NULL: the symbol's */
	s8 dev, group;				/* argument numbers or -1 */
	bool pci;				/* dev is a struct pci_dev */
	bool sleeps;				/* may sleep there */
	u8 locks;				/* DMARACE_LOCK_* held there */
	unsigned int users;			/* rules and bus.c */
	bool registered;
	bool gate;
	bool deferrals;				/* watched by bus.c */
	unsigned int registrations;		/* rules on what registers here */
	atomic_t inside;			/* between the hit and the pass */
	atomic_t exits;				/* rules on=exit */
	atomic_t missed;			/* no slot was free */
	unsigned long missed_before;
	int error;				/* why it is not registered */
};

struct call {
	struct probe *probe;
	unsigned long sp;	/* at the probed address */
	unsigned long lr;	/* the caller, while its address is replaced */
	unsigned long fp;	/* the caller's frame pointer, with it */
	u64 number;		/* newest first among equal stack pointers */
	u32 epoch;
	bool passing;		/* on its way back to the probed address */
	bool exiting;		/* its function returns to the trampoline */
	bool in_body;		/* in the C code of detour.c */
	int group;		/* as at entry, -1 if none */
	char dev[DMARACE_NAME_MAX];
};

/* calls.c */
struct call *call_claim(unsigned long sp);
void call_free(struct call *call);
struct call *call_in_body(void);
struct call *call_passing(unsigned long sp, const struct probe *probe);
struct call *call_exiting(unsigned long sp);
struct call *call_replaced(unsigned int depth);

/* callers.c */
bool called_from(const char *function);

/* detour.c */
int detour_init(void);
void detour_exit(void);
int probe_register(struct probe *probe);
void probe_unregister(struct probe *probe);
void probe_gate(struct probe *probe, bool open);
unsigned long probe_missed(const struct probe *probe);

/* engine.c: what rules do to a call. */

struct verdict {
	bool has_value;
	unsigned long value;
};

void engine_enter(struct call *call, struct verdict *verdict);
void engine_exit(struct call *call, unsigned long ret, struct verdict *verdict);
/* Under state_lock. */
void engine_forget_hits(void);

/* rules.c: the armed rules, under control_lock unless said otherwise. */

struct armed_rule {
	struct dmarace_rule rule;
	struct probe *probes[8];
	unsigned int probe_count;
	struct probe *watch;		/* iommu_device_register, or NULL */
	int wait_id[DMARACE_WAITS_MAX];
	int blocked_id[DMARACE_WAITS_MAX];
	bool may_sleep;
	bool once;			/* loaded with rules=, not adopted yet */
	/* Counts since arm, under state_lock. */
	u64 hits, acted, met, blocked, timeout, released, atomic;
};

extern struct armed_rule rules[DMARACE_RULES_MAX];
extern unsigned int rule_count;

struct armed_rule *rule_stage(const struct dmarace_rule *rule, char *reason,
			      size_t room);
void rule_unstage(struct armed_rule *armed);
void rule_commit(struct armed_rule *armed);
bool rules_have_name(const char *name);
void rules_drop(void);
void rules_forget_counts(void);
void rules_report_counts(struct reader *to);

/* probes.c: under control_lock. */

struct probe_key {
	const char *symbol;
	unsigned long offset;
	void *address;			/* instead of the symbol's, or NULL */
	s8 dev, group;
	bool pci, sleeps;
	u8 locks;
};

struct probe *probe_get(const struct probe_key *key);
void probe_put(struct probe *probe);
void probes_gate(bool open);
unsigned long probes_missed(void);
int probes_init(void);
void probes_exit(void);

/* operations.c */
struct iommu_ops;

bool is_operation(const char *symbol);
void operations_registered(const struct iommu_ops *ops, u32 epoch);

/* bitfield.c */
struct dmarace_store;

bool is_bitfield(const char *symbol);
const char *bitfield_function(const char *symbol);
unsigned int bitfield_find(const char *symbol, struct dmarace_store *found,
			   const char **why);

/* points.c, points_report.c: the table. */
int points_resolve(struct armed_rule *armed, char *reason, size_t room);
void points_put(struct armed_rule *armed);
int points_report(struct reader *to);
struct probe *points_watch_deferrals(void);
void points_unwatch(struct probe *probe);

/* state.c: gate, epoch, signals, actors, the one wait queue. */

extern spinlock_t state_lock;
extern wait_queue_head_t state_wait;

struct state {
	bool open;		/* the gate */
	u32 epoch;		/* counts every opening and closing */
	unsigned long long seed;
	bool budgeted;		/* rules= at load: holds share a budget */
	s64 budget_ns;
	s64 hold_max_ns;
	atomic_t held;		/* tasks in a hold */
	atomic_t held_group;	/* of these, at points that own a group mutex */
	atomic_t busy;		/* tasks that look at rules */
};

extern struct state state;

bool gate_is_open(u32 epoch);
void gate_open(const char *why, unsigned long long seed);
void gate_close(const char *why);
void gate_drain(void);

int signal_intern(const char *name);
void signal_raise(const char *name, const char *by);
bool signal_is_up(int id);
const char *signal_name(int id);
void signals_lower(void);
void signals_forget(void);

pid_t actor_pid(int pid);
int actor_set(const char *name, int pid);
void actors_forget(void);
bool actor_is(const char *name);
/* The current task's actor; "" if none. */
void actor_current(char *name);

/* hold.c */
/* Half of the hung task detector's patience is the longest hold. */
void hold_read_limit(void);
bool hold_possible(const struct armed_rule *armed);
void hold_wait(struct armed_rule *armed, const struct call *call, u32 epoch);
void hold_delay(const struct armed_rule *armed, s64 ns, u32 epoch);

/* line.c, queue.c: lines and who reads them. */

struct line {
	unsigned int length;
	bool cut;
	/* Room for verb, seq= and ts= is kept. */
	char text[DMARACE_LINE_MAX - 64];
};

void line_begin(struct line *line, const char *verb);
void line_task(struct line *line);
void line_str(struct line *line, const char *key, const char *value);
void line_num(struct line *line, const char *key, long long value);
void line_hex(struct line *line, const char *key, unsigned long long value);
void line_ptr(struct line *line, const char *key, const void *value);
/* Stamps and queues a line: for one reader, or for all when to is NULL. */
void line_send(struct line *line, struct reader *to);

struct reader *reader_open(void);
void reader_close(struct reader *reader);
ssize_t reader_read(struct reader *reader, char __user *to, size_t room,
		    bool wait);
bool reader_has_lines(struct reader *reader);
wait_queue_head_t *reader_queue(struct reader *reader);
int readers_keep_backlog(void);
void readers_forget_backlog(void);

/*
 * control.c, request.c, execute.c: requests; load.c: rules= at load; owner.c:
 * who owns the module, lease and dead-man.
 */
extern struct mutex control_lock;

int control_init(void);
int control_uevent(const struct dmarace_request *req);
void control_exit(void);
int request_write(struct file *file, struct reader *reader, char *text,
		  size_t length);
int request_execute(const struct dmarace_request *req,
		    struct armed_rule *armed, struct reader *to);
void request_words(const struct dmarace_request *req, struct line *line);
int load_rules(char *text);
int owner_check(const struct file *file, bool clearing, char *reason,
		size_t room);
void owner_take(struct file *file);
void owner_renew(const struct file *file);
void owner_forgive(void);
void owner_release(struct file *file);
bool owner_exists(void);
void owner_report(struct line *line);
int owner_init(void);
void owner_exit(void);

/* bus.c */
int bus_init(void);
void bus_exit(void);
void bus_deferred(const char *dev);
int bus_each(int (*fn)(struct device *dev, void *data), void *data);
struct device *bus_find(const char *name);

/* device.c */
void device_text(struct device *dev, char *name, size_t room);
void device_argument(struct device *dev, bool pci, struct iommu_group *group,
		     char *name, size_t room, int *id);

/* audit.c */
/* Under the device's lock, as both notifiers are. */
void audit_locked(struct device *dev, const char *at);
void audit_on_demand(struct device *dev, bool map, struct reader *to);
void audit_all(bool map, struct reader *to);

#endif
