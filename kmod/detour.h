/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 3, detour: takes a task away at a probed address and brings it back.
 * What is done to it meanwhile is asked of the layer above.
 */
#ifndef DMARACE_DETOUR_H
#define DMARACE_DETOUR_H

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "dmarace_abi.h"

#if defined(CONFIG_ARM64)
#include "arch_arm64.h"
#elif defined(CONFIG_X86_64)
#include "arch_x86.h"
#endif

/* Where a probe is, and what is known of whom it meets. */
struct probe_key {
	const char *symbol;
	unsigned long offset;
	void *address;		/* instead of the symbol's, or NULL */
	s8 dev, group;		/* argument numbers or -1 */
	u8 kind;		/* what dev is: enum argument_kind */
	bool sleeps;		/* may sleep there */
	u8 locks;		/* DMARACE_LOCK_* held there */
};

/* One kprobe. */
struct probe {
	struct kprobe kp;
	struct probe_key key;
	char symbol[DMARACE_NAME_MAX];	/* of the key */
	unsigned int users;
	bool registered;
	bool enabled;			/* takes tasks away */
	bool deferrals;			/* -EPROBE_DEFER is looked for at its exit */
	unsigned int registrations;	/* rules on what registers here */
	atomic_t inside;		/* between the hit and the pass */
	atomic_t exits;			/* rules on=exit */
	atomic_t missed;		/* no slot was free, or see call_is_missed() */
	unsigned long missed_before;
	int error;			/* why it is not registered */
};

/* One call that was sent through the detour. */
struct call {
	struct probe *probe;
	unsigned long sp;	/* at the probed address */
	unsigned long state;	/* the processor's, there */
	unsigned long lr;	/* the caller, while its address is replaced */
	unsigned long fp;	/* the caller's frame pointer, with it */
	u64 number;		/* newest first among equal stack pointers */
	u64 passing;		/* number, on its way back to the probed address */
	u32 epoch;		/* detour_epoch when it began */
	bool exiting;		/* its function returns to the trampoline */
	bool in_body;		/* in the C code of detour.c */
	s64 slept;		/* ns, by rules on it */
	int group;		/* as at entry, -1 if none */
	char dev[DMARACE_NAME_MAX];
	struct frame *frame;	/* while in the body */
};

/* What the function returns instead, if it is given. */
struct substitute {
	bool given;
	unsigned long value;
};

/* What is asked of the layer above, in the task's own context. */
struct detour_hooks {
	void (*enter)(struct call *call, struct substitute *result);
	void (*exit)(struct call *call, unsigned long ret,
		     struct substitute *result);
};

int detour_init(const struct detour_hooks *hooks);
void detour_exit(void);
/* An argument of the function that was entered, while its hook runs. */
unsigned long call_argument(const struct call *call, int n);
/* Is a function of this name in the current call chain? */
bool called_from(const char *function);

/* Counts every opening and closing of a session, for call->epoch. */
extern u32 detour_epoch;

/*
 * Rules, probes and ownership change under it, one write at a time; what
 * follows is called under it.
 */
extern struct mutex setup_lock;

/* The probe of a symbol, registered; MODULE:FUNCTION may wait for its module. */
/* As register_kprobe() by name, which clang's link-time optimisation may have changed. */
int named_register(struct kprobe *kp, const char *name);
struct probe *probe_get(const struct probe_key *key);
void probe_put(struct probe *probe);
void probe_enable(struct probe *probe, bool enabled);
/* Hits since it was enabled that nobody saw. */
unsigned long probe_missed(const struct probe *probe);
/* All that are there, and those that come. */
void probes_enable(bool enabled);
unsigned long probes_missed(void);

/* Within the layer. */
extern const struct detour_hooks *detour_hooks;
int detour_hit(struct kprobe *kp, struct pt_regs *regs);
void detour_reap(struct probe *probe);

/* In assembly. */
void dmarace_entry(void);
void dmarace_trampoline(void);

/* Called from it: where to go on, 0 for the probed address. */
unsigned long dmarace_enter(struct frame *frame);
unsigned long dmarace_exit(struct frame *frame);

#endif
