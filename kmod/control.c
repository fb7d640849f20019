// SPDX-License-Identifier: GPL-2.0-only
/* This file is /dev/dmarace. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "dmarace.h"

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
