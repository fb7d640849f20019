// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file knows who owns the module, and lets everything go when the owner
 * does not answer: closed, killed, lease run out, suspend, reboot.
 */
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include "dmarace.h"

static struct {
	struct file *file;
	pid_t pid;
	bool lost;
	unsigned long until;
	struct probe *deferrals;
} owner;

static void lease_ran_out(struct work_struct *work);
static DECLARE_DELAYED_WORK(lease_work, lease_ran_out);
/* Our own, with a rescuer: a held kworker must not keep the lease from ending. */
static struct workqueue_struct *lease_queue;

/* Lets everything go at once, then stops taking tasks away. */
static void gate_shut(const char *why)
{
	gate_close(why);
	mutex_lock(&control_lock);
	/* Unless somebody has opened it again meanwhile. */
	if (!READ_ONCE(state.open))
		gate_drain();
	mutex_unlock(&control_lock);
}

static void lease_ran_out(struct work_struct *work)
{
	struct line line;

	if (!owner_exists() || READ_ONCE(owner.lost))
		return;
	if (time_before(jiffies, READ_ONCE(owner.until))) {
		mod_delayed_work(lease_queue, &lease_work,
				 READ_ONCE(owner.until) - jiffies);
		return;
	}
	WRITE_ONCE(owner.lost, true);
	gate_shut(DMARACE_WHY_LEASE);
	line_begin(&line, DMARACE_E_LEASE);
	line_str(&line, DMARACE_K_STATE, DMARACE_STATE_LOST);
	line_num(&line, DMARACE_K_PID, owner.pid);
	line_send(&line, NULL);
}

bool owner_exists(void)
{
	return READ_ONCE(owner.file);
}

/* May this file change anything? Under control_lock. */
int owner_check(const struct file *file, bool clearing, char *reason,
		size_t room)
{
	if (!owner.file)
		return 0;
	if (owner.file != file) {
		scnprintf(reason, room, "owned by process %d", owner.pid);
		return -EBUSY;
	}
	if (owner.lost && !clearing) {
		scnprintf(reason, room,
			  "the lease of %d ms ran out: clear comes first",
			  DMARACE_LEASE_MS);
		return -EPERM;
	}
	return 0;
}

/* Under control_lock. */
void owner_take(struct file *file)
{
	if (owner.file)
		return;
	owner.pid = task_tgid_nr(current);
	owner.lost = false;
	owner.deferrals = points_watch_deferrals();
	WRITE_ONCE(owner.file, file);
}

/* Whatever the owner writes renews its lease; a lost one stays lost. */
void owner_renew(const struct file *file)
{
	unsigned long lease = msecs_to_jiffies(DMARACE_LEASE_MS);

	if (owner.file != file || owner.lost)
		return;

	WRITE_ONCE(owner.until, jiffies + lease);
	mod_delayed_work(lease_queue, &lease_work, lease);
}

void owner_forgive(void)
{
	WRITE_ONCE(owner.lost, false);
}

/* The owner's file is gone, however that came. */
void owner_release(struct file *file)
{
	if (READ_ONCE(owner.file) != file)
		return;
	gate_close(DMARACE_WHY_OWNER_GONE);
	mutex_lock(&control_lock);
	gate_drain();
	rules_drop();
	points_unwatch(owner.deferrals);
	owner.deferrals = NULL;
	WRITE_ONCE(owner.file, NULL);
	signals_forget();
	actors_forget();
	mutex_unlock(&control_lock);
	cancel_delayed_work_sync(&lease_work);
}

void owner_report(struct line *line)
{
	long left = READ_ONCE(owner.until) - jiffies;

	if (!owner.file)
		return;
	line_num(line, DMARACE_K_OWNER, owner.pid);
	line_num(line, DMARACE_K_LEASE_MS, owner.lost || left < 0 ? 0 :
		 jiffies_to_msecs(left));
}

static int power_event(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	if (action == PM_SUSPEND_PREPARE || action == PM_HIBERNATION_PREPARE)
		gate_shut(DMARACE_WHY_SUSPEND);
	return NOTIFY_DONE;
}

static int reboot_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	gate_close(DMARACE_WHY_REBOOT);
	return NOTIFY_DONE;
}

static struct notifier_block power_notifier = {
	.notifier_call = power_event,
	.priority = INT_MAX,
};

static struct notifier_block reboot_notifier = {
	.notifier_call = reboot_event,
	.priority = INT_MAX,
};

int owner_init(void)
{
	int error;

	lease_queue = alloc_ordered_workqueue(DMARACE_DEVICE, WQ_MEM_RECLAIM);
	if (!lease_queue)
		return -ENOMEM;
	error = register_pm_notifier(&power_notifier);
	if (error)
		goto out_queue;
	error = register_reboot_notifier(&reboot_notifier);
	if (!error)
		return 0;
	unregister_pm_notifier(&power_notifier);
out_queue:
	destroy_workqueue(lease_queue);
	return error;
}

void owner_exit(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	unregister_pm_notifier(&power_notifier);
	cancel_delayed_work_sync(&lease_work);
	destroy_workqueue(lease_queue);
}
