// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dmarace, and who owns it: everything is let go when the owner does not
 * answer: closed, killed, lease run out, suspend, reboot. Loading and unloading:
 * the layers from the lowest up, and rules=, which act before the IOMMU driver is
 * there, without an owner, each hold once, under one budget.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "control.h"
#include "detour.h"
#include "devices.h"
#include "report.h"
#include "rules.h"

static struct {
	spinlock_t lock;	/* of all that follows, but the probe */
	struct file *file;
	pid_t pid;
	bool lost;
	unsigned long until;
	struct probe *deferrals;	/* under setup_lock */
} owner = {
	.lock = __SPIN_LOCK_UNLOCKED(owner.lock),
};

static void lease_ran_out(struct work_struct *work);
static DECLARE_DELAYED_WORK(lease_work, lease_ran_out);
/* Our own, with a rescuer: a held kworker must not keep the lease from ending. */
static struct workqueue_struct *lease_queue;

/* Stops taking tasks away, unless somebody has opened a session meanwhile. */
static void drain(void)
{
	mutex_lock(&setup_lock);
	if (!READ_ONCE(session.open))
		session_drain();
	mutex_unlock(&setup_lock);
}

/* Under owner.lock: is its lease over just now? If not yet, looks again. */
static bool is_over(void)
{
	if (!owner.file || owner.lost)
		return false;
	if (time_after_eq(jiffies, owner.until))
		return true;
	mod_delayed_work(lease_queue, &lease_work, owner.until - jiffies);
	return false;
}

/* The timer is nobody's own: it may find that the owner is another one by now. */
static void lease_ran_out(struct work_struct *work)
{
	struct line line;
	bool over;
	pid_t pid;

	spin_lock(&owner.lock);
	over = is_over();
	if (over) {
		owner.lost = true;
		session_close(DMARACE_WHY_LEASE);
	}
	pid = owner.pid;
	spin_unlock(&owner.lock);
	if (!over)
		return;
	drain();
	line_begin(&line, DMARACE_E_LEASE);
	line_str(&line, DMARACE_K_STATE, DMARACE_STATE_LOST);
	line_num(&line, DMARACE_K_PID, pid);
	line_send(&line, NULL);
}

static bool owner_exists(void)
{
	return READ_ONCE(owner.file);
}

int owner_check(const struct file *file, bool clearing, char *reason,
		size_t room)
{
	if (!owner.file)
		return 0;
	if (owner.file != file) {
		scnprintf(reason, room, "owned by process %d", owner.pid);
		return -EBUSY;
	}
	if (READ_ONCE(owner.lost) && !clearing) {
		scnprintf(reason, room,
			  "the lease of %d ms ran out: clear comes first",
			  DMARACE_LEASE_MS);
		return -EPERM;
	}
	return 0;
}

void owner_take(struct file *file)
{
	if (owner.file)
		return;
	owner.deferrals = points_watch_deferrals();
	spin_lock(&owner.lock);
	owner.pid = task_tgid_nr(current);
	owner.lost = false;
	WRITE_ONCE(owner.file, file);
	spin_unlock(&owner.lock);
}

/* Under owner.lock. */
static void renew(void)
{
	unsigned long lease = msecs_to_jiffies(DMARACE_LEASE_MS);

	owner.until = jiffies + lease;
	mod_delayed_work(lease_queue, &lease_work, lease);
}

void owner_renew(const struct file *file)
{
	spin_lock(&owner.lock);
	if (owner.file == file && !owner.lost)
		renew();
	spin_unlock(&owner.lock);
}

/* The lease cannot run out between the look at it and the opening. */
int owner_arm(unsigned long long seed)
{
	bool lost;

	spin_lock(&owner.lock);
	lost = owner.lost;
	if (!lost) {
		rules_adopt();
		session_open(DMARACE_WHY_ARM, seed);
	}
	spin_unlock(&owner.lock);
	return lost ? -EPERM : 0;
}

/* And has its lease again: lines of the same write may follow. */
void owner_forgive(void)
{
	spin_lock(&owner.lock);
	owner.lost = false;
	renew();
	spin_unlock(&owner.lock);
}

/* Whose file is gone writes no more: only the one who is next takes its place. */
static void owner_release(struct file *file)
{
	if (READ_ONCE(owner.file) != file)
		return;
	session_close(DMARACE_WHY_OWNER_GONE);
	mutex_lock(&setup_lock);
	session_drain();
	rules_drop();
	points_unwatch(owner.deferrals);
	owner.deferrals = NULL;
	spin_lock(&owner.lock);
	WRITE_ONCE(owner.file, NULL);
	spin_unlock(&owner.lock);
	signals_forget();
	actors_forget();
	mutex_unlock(&setup_lock);
}

void owner_report(struct line *line)
{
	long left = READ_ONCE(owner.until) - jiffies;

	if (!owner.file)
		return;
	line_num(line, DMARACE_K_OWNER, owner.pid);
	line_num(line, DMARACE_K_LEASE_MS, READ_ONCE(owner.lost) || left < 0 ?
		 0 : jiffies_to_msecs(left));
}

static int power_event(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	if (action == PM_SUSPEND_PREPARE || action == PM_HIBERNATION_PREPARE ||
	    action == PM_RESTORE_PREPARE) {
		session_close(DMARACE_WHY_SUSPEND);
		drain();
	}
	return NOTIFY_DONE;
}

static int reboot_event(struct notifier_block *nb, unsigned long action,
			void *data)
{
	session_close(DMARACE_WHY_REBOOT);
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

static int owner_init(void)
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

static void owner_exit(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	unregister_pm_notifier(&power_notifier);
	cancel_delayed_work_sync(&lease_work);
	destroy_workqueue(lease_queue);
}

static int control_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file->private_data = reader_open();
	if (!file->private_data)
		return -ENOMEM;
	return nonseekable_open(inode, file);
}

static int control_release(struct inode *inode, struct file *file)
{
	owner_release(file);
	reader_close(file->private_data);
	return 0;
}

static ssize_t control_read(struct file *file, char __user *to, size_t room,
			    loff_t *at)
{
	return reader_read(file->private_data, to, room,
			   !(file->f_flags & O_NONBLOCK));
}

static ssize_t control_write(struct file *file, const char __user *from,
			     size_t length, loff_t *at)
{
	char *text;
	int error;

	if (!length || length > DMARACE_WRITE_MAX)
		return -EINVAL;
	text = memdup_user_nul(from, length);
	if (IS_ERR(text))
		return PTR_ERR(text);
	error = request_write(file, file->private_data, text, length);
	kfree(text);
	return error ? error : length;
}

static __poll_t control_poll(struct file *file, poll_table *table)
{
	struct reader *reader = file->private_data;

	poll_wait(file, reader_queue(reader), table);
	return EPOLLOUT | EPOLLWRNORM |
	       (reader_has_lines(reader) ? EPOLLIN | EPOLLRDNORM : 0);
}

static const struct file_operations control_operations = {
	.owner = THIS_MODULE,
	.open = control_open,
	.release = control_release,
	.read = control_read,
	.write = control_write,
	.poll = control_poll,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = DMARACE_DEVICE,
	.fops = &control_operations,
	.mode = 0600,
};

int control_uevent(const struct dmarace_request *req)
{
	char kind[DMARACE_NAME_MAX + sizeof(DMARACE_U_KIND "=")];
	char dev[DMARACE_NAME_MAX + sizeof(DMARACE_U_DEVICE "=")];
	char iter[sizeof(DMARACE_U_ITERATION "=") + 20];
	char *words[4] = { kind, dev, iter };

	scnprintf(kind, sizeof(kind), DMARACE_U_KIND "=%s", req->name);
	scnprintf(dev, sizeof(dev), DMARACE_U_DEVICE "=%s", req->dev);
	scnprintf(iter, sizeof(iter), DMARACE_U_ITERATION "=%lld", req->iter);
	return kobject_uevent_env(&control_device.this_device->kobj,
				  KOBJ_CHANGE, words);
}

static char *rules_text;
module_param_named(rules, rules_text, charp, 0400);
MODULE_PARM_DESC(rules, "rules armed at load, as written to " DMARACE_DEV_PATH
		 ", with ; between them");

static bool is_watched(void)
{
	return owner_exists() || READ_ONCE(session.open);
}

static void raise_by_bus(const char *signal)
{
	signal_raise(signal, DMARACE_BY_BUS);
}

static bool is_anybody_asleep(void)
{
	return atomic_read(&session.asleep);
}

static const struct devices_hooks device_hooks = {
	.is_watched = is_watched,
	.raise = raise_by_bus,
	.is_anybody_asleep = is_anybody_asleep,
};

static int load_one(char *text, struct dmarace_request *req, char *reason,
		    size_t room)
{
	struct armed_rule *armed;
	int error;

	if (dmarace_parse(text, req, reason, room))
		return -EINVAL;
	if (req->verb != DMARACE_DO_RULE) {
		scnprintf(reason, room, "only rules can be loaded");
		return -EINVAL;
	}
	if (req->rule.name[0] && rules_have_name(req->rule.name)) {
		scnprintf(reason, room, "name: there is a rule '%s'",
			  req->rule.name);
		return -EINVAL;
	}
	armed = rule_stage(&req->rule, reason, room);
	if (IS_ERR(armed))
		return PTR_ERR(armed);
	armed->once = true;
	error = rule_commit(armed);
	if (error) {
		rule_unstage(armed);
		scnprintf(reason, room, "more than %d rules",
			  DMARACE_RULES_MAX);
	}
	return error;
}

/* Lines as they would be written, with ; between them. None acts yet. */
static int stage_loaded(char *text)
{
	struct dmarace_request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	char reason[DMARACE_REASON_MAX] = "no memory";
	int error = req ? 0 : -ENOMEM;
	char *one;

	mutex_lock(&setup_lock);
	while (!error && text) {
		one = strim(dmarace_cut(&text, ';'));
		if (*one)
			error = load_one(one, req, reason, sizeof(reason));
	}
	mutex_unlock(&setup_lock);
	if (error)
		pr_err("rules=: %s\n", reason);
	kfree(req);
	return error;
}

/* Cannot fail: a task that is away in here keeps the module. */
static void arm_loaded(void)
{
	mutex_lock(&setup_lock);
	/* Unless somebody was quick to open the device. */
	if (!owner_exists()) {
		hold_read_limit();
		session.budget_ns = DMARACE_LOAD_BUDGET_MS * 1000000LL;
		session_open(DMARACE_WHY_LOAD, 0);
	}
	mutex_unlock(&setup_lock);
}

/* Whatever rules= armed and nobody adopted. */
static void drop_loaded(void)
{
	session_close(DMARACE_WHY_UNLOAD);
	mutex_lock(&setup_lock);
	session_drain();
	rules_drop();
	mutex_unlock(&setup_lock);
	readers_forget_backlog();
	/*
	 * Every detoured call held a module reference until its last
	 * instructions here; this waits for those.
	 */
	synchronize_rcu_tasks();
}

static int __init dmarace_init(void)
{
	int error;

	report_init();
	error = detour_init(&engine_hooks);
	if (error)
		return error;
	contention_init();
	error = owner_init();
	if (error)
		goto out_detour;
	error = devices_init(&device_hooks);
	if (error)
		goto out_owner;
	if (rules_text) {
		error = readers_keep_backlog();
		if (!error)
			error = stage_loaded(rules_text);
		if (error)
			goto out_rules;
	}
	/* Whoever opens it keeps the module: nothing behind this may fail. */
	error = misc_register(&control_device);
	if (error)
		goto out_rules;
	if (rules_text)
		arm_loaded();
	return 0;
out_rules:
	drop_loaded();
	devices_exit();
out_owner:
	owner_exit();
out_detour:
	contention_exit();
	detour_exit();
	return error;
}

static void __exit dmarace_exit_module(void)
{
	misc_deregister(&control_device);
	devices_exit();
	owner_exit();
	drop_loaded();
	contention_exit();
	detour_exit();
}

module_init(dmarace_init);
module_exit(dmarace_exit_module);

MODULE_DESCRIPTION("Delays and holds of kernel threads in IOMMU probing");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");
/* What of kernel_has.c compiled: what this build takes its kernel for. */
MODULE_INFO(has, __stringify(DMARACE_HAS));
