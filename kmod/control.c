// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dmarace, and who owns it. Everything is let go when the owner does not
 * answer: closed, killed, lease run out, suspend, reboot.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "control.h"
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

bool owner_exists(void)
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
void owner_release(struct file *file)
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
	if (action == PM_SUSPEND_PREPARE || action == PM_HIBERNATION_PREPARE) {
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
	char *words[] = { kind, dev, iter, NULL };

	scnprintf(kind, sizeof(kind), DMARACE_U_KIND "=%s", req->name);
	scnprintf(dev, sizeof(dev), DMARACE_U_DEVICE "=%s", req->dev);
	scnprintf(iter, sizeof(iter), DMARACE_U_ITERATION "=%lld", req->iter);
	return kobject_uevent_env(&control_device.this_device->kobj,
				  KOBJ_CHANGE, words);
}

int control_init(void)
{
	return misc_register(&control_device);
}

void control_exit(void)
{
	misc_deregister(&control_device);
}
