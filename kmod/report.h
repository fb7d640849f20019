/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 1, report: lines of the contract, who causes them, and the queues of
 * those who read. Any context, but where it is said.
 */
#ifndef DMARACE_REPORT_H
#define DMARACE_REPORT_H

#include <linux/sched.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "dmarace_abi.h"

struct reader;

struct line {
	unsigned int length;
	bool cut;
	/* Room for verb, seq= and ts= is kept. */
	char text[DMARACE_LINE_MAX - 64];
};

/* A task, as it wrote itself down. */
struct who {
	pid_t tid, tgid;
	char comm[TASK_COMM_LEN];
};

void line_begin(struct line *line, const char *verb);
void line_who(struct line *line, const struct who *who);
void line_task(struct line *line);
void line_str(struct line *line, const char *key, const char *value);
void line_num(struct line *line, const char *key, long long value);
void line_hex(struct line *line, const char *key, unsigned long long value);
void report_init(void);
void line_ptr(struct line *line, const char *key, const void *value);
/* Stamps and queues a line: for one reader, or for all when to is NULL. */
void line_send(struct line *line, struct reader *to);

/* Names that processes act under. */
pid_t actor_pid(int pid);
int actor_set(const char *name, int pid);
void actors_forget(void);
bool actor_is(const char *name);
/* Of a process; "" if it is none's. */
void actor_name(pid_t tgid, char *name);
void who_am_i(struct who *who);

/* These sleep. */
struct reader *reader_open(void);
void reader_close(struct reader *reader);
ssize_t reader_read(struct reader *reader, char __user *to, size_t room,
		    bool wait);
bool reader_has_lines(struct reader *reader);
wait_queue_head_t *reader_queue(struct reader *reader);
int readers_keep_backlog(void);
void readers_forget_backlog(void);

#endif
