/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 5, control: /dev/dmarace, what is asked for there, who may ask, and what
 * happens when nobody does. Under setup_lock, but where it is said.
 */
#ifndef DMARACE_CONTROL_H
#define DMARACE_CONTROL_H

#include <linux/fs.h>
#include <linux/types.h>

#include "parse.h"

struct line;
struct reader;

/* A uevent of the device. Not under setup_lock. */
int control_uevent(const struct dmarace_request *req);

/* What is written. Takes setup_lock; text is cut up. */
int request_write(struct file *file, struct reader *reader, char *text,
		  size_t length);

/* Who owns the module, lease and dead-man. */
/* May this file change anything? */
int owner_check(const struct file *file, bool clearing, char *reason,
		size_t room);
void owner_take(struct file *file);
/* Whatever the owner writes renews its lease; a lost one stays lost. */
void owner_renew(const struct file *file);
/* Opens the session of the owner, unless its lease is lost. */
int owner_arm(unsigned long long seed);
void owner_forgive(void);
void owner_report(struct line *line);

#endif
