// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of the contract, word by word, the names of those who cause them, and
 * their way to readers: one queue for each open file, and a backlog for what
 * happens between loading with rules= and the first open.
 */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "report.h"

static DEFINE_SPINLOCK(actors_lock);
static struct {
	char name[DMARACE_NAME_MAX];
	pid_t tgid;
} actors[DMARACE_ACTORS_MAX];

static __printf(2, 3) void put(struct line *line, const char *format, ...)
{
	/* One byte for the newline. */
	unsigned int room = sizeof(line->text) - 1 - line->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line->text + line->length, room, format, args);
	va_end(args);
	if (length >= room) {
		/* A word that does not fit is left out as a whole. */
		line->cut = true;
		return;
	}
	line->length += length;
}

void line_begin(struct line *line, const char *verb)
{
	line->length = 0;
	line->cut = false;
	put(line, "%s", verb);
}

static bool is_plain(const char *value)
{
	if (!*value)
		return false;
	for (; *value; value++)
		if ((unsigned char)*value <= ' ' || strchr("\"\\\x7f", *value))
			return false;
	return true;
}

/* Appends one character, quoted if it must be. */
static void put_quoted(struct line *line, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		c = ' ';
	put(line, c == '"' || c == '\\' ? "\\%c" : "%c", c);
}

/* Empty values are left out: a fact that cannot be had is. */
void line_str(struct line *line, const char *key, const char *value)
{
	unsigned int start = line->length;
	bool cut = line->cut;

	if (!value || !*value)
		return;
	if (is_plain(value)) {
		put(line, " %s=%s", key, value);
		return;
	}
	line->cut = false;
	put(line, " %s=\"", key);
	for (; *value; value++)
		put_quoted(line, *value);
	put(line, "\"");
	if (line->cut)
		line->length = start;
	line->cut |= cut;
}

void line_num(struct line *line, const char *key, long long value)
{
	put(line, " %s=%lld", key, value);
}

void line_hex(struct line *line, const char *key, unsigned long long value)
{
	put(line, " %s=0x%llx", key, value);
}

static siphash_key_t pointer_key;

void report_init(void)
{
	get_random_bytes(&pointer_key, sizeof(pointer_key));
}

/*
 * Equal when the pointer is, and says nothing else of it. The kernel's own %p is
 * the same for all until its random generator is ready.
 */
void line_ptr(struct line *line, const char *key, const void *value)
{
	put(line, " %s=%016llx", key,
	    siphash_1u64((unsigned long)value, &pointer_key));
}

/* A process as the caller numbers it, as the kernel does; 0 if there is none. */
pid_t actor_pid(int pid)
{
	struct pid *task;
	pid_t tgid = 0;

	rcu_read_lock();
	task = find_vpid(pid);
	if (task && pid_task(task, PIDTYPE_TGID))
		tgid = pid_nr(task);
	rcu_read_unlock();
	return tgid;
}

int actor_set(const char *name, int pid)
{
	pid_t tgid = actor_pid(pid);
	unsigned long flags;
	int i, free = -1;

	if (!tgid)
		return -ESRCH;
	spin_lock_irqsave(&actors_lock, flags);
	for (i = DMARACE_ACTORS_MAX - 1; i >= 0; i--) {
		if (!strcmp(actors[i].name, name))
			break;
		if (!actors[i].name[0])
			free = i;
	}
	if (i < 0)
		i = free;
	if (i >= 0) {
		strscpy(actors[i].name, name, DMARACE_NAME_MAX);
		actors[i].tgid = tgid;
	}
	spin_unlock_irqrestore(&actors_lock, flags);
	return i < 0 ? -ENOSPC : 0;
}

void actors_forget(void)
{
	unsigned long flags;

	spin_lock_irqsave(&actors_lock, flags);
	memset(actors, 0, sizeof(actors));
	spin_unlock_irqrestore(&actors_lock, flags);
}

void actor_name(pid_t tgid, char *name)
{
	unsigned long flags;
	int i;

	name[0] = '\0';
	spin_lock_irqsave(&actors_lock, flags);
	for (i = 0; i < DMARACE_ACTORS_MAX; i++)
		if (actors[i].tgid == tgid && actors[i].name[0])
			strscpy(name, actors[i].name, DMARACE_NAME_MAX);
	spin_unlock_irqrestore(&actors_lock, flags);
}

bool actor_is(const char *name)
{
	char mine[DMARACE_NAME_MAX];

	actor_name(current->tgid, mine);
	return !strcmp(mine, name);
}

void who_am_i(struct who *who)
{
	who->tid = current->pid;
	who->tgid = current->tgid;
	strscpy(who->comm, current->comm, sizeof(who->comm));
}

void line_who(struct line *line, const struct who *who)
{
	char actor[DMARACE_NAME_MAX];

	line_num(line, DMARACE_K_TID, who->tid);
	line_str(line, DMARACE_K_COMM, who->comm);
	actor_name(who->tgid, actor);
	line_str(line, DMARACE_K_ACTOR, actor);
}

void line_task(struct line *line)
{
	struct who who;

	who_am_i(&who);
	line_who(line, &who);
}

#define BACKLOG_MAX	4096

struct node {
	struct list_head list;
	unsigned int length;
	char text[];
};

struct reader {
	struct list_head list;
	struct list_head nodes;
	unsigned int count;
	unsigned int limit;
	u64 lost;
	struct mutex reading;		/* lines of two reads do not mix */
	wait_queue_head_t wait;
};

static DEFINE_SPINLOCK(queue_lock);
static LIST_HEAD(readers);
static u64 sequence;
static struct reader *backlog;

/* Under queue_lock. Any context: the memory is asked for without sleeping. */
static bool node_add(struct reader *reader, const char *text,
		     unsigned int length)
{
	struct node *node;

	node = kmalloc(struct_size(node, text, length),
		       GFP_ATOMIC | __GFP_NOWARN);
	if (!node)
		return false;
	node->length = length;
	memcpy(node->text, text, length);
	list_add_tail(&node->list, &reader->nodes);
	reader->count++;
	return true;
}

/* Under queue_lock: the stamp goes after the verb. Returns the length. */
static unsigned int stamp(char *to, const struct line *line)
{
	const char *space = strchr(line->text, ' ');
	unsigned int verb = space ? space - line->text : line->length;
	unsigned int length;

	length = scnprintf(to, 64, "%.*s seq=%llu ts=%llu", verb, line->text,
			   ++sequence, ktime_get_ns());
	memcpy(to + length, line->text + verb, line->length - verb);
	length += line->length - verb;
	to[length++] = '\n';
	return length;
}

/* Under queue_lock: says what was lost as soon as there is room again. */
static void own_up(struct reader *reader)
{
	char text[96];
	unsigned int length;

	if (!reader->lost || reader->count >= reader->limit)
		return;
	length = scnprintf(text, sizeof(text), "%s seq=%llu ts=%llu n=%llu\n",
			   DMARACE_E_LOST, ++sequence, ktime_get_ns(),
			   reader->lost);
	if (node_add(reader, text, length))
		reader->lost = 0;
}

/* Under queue_lock. */
static void deliver(struct reader *reader, const char *text,
		    unsigned int length)
{
	if (reader->lost || reader->count >= reader->limit ||
	    !node_add(reader, text, length))
		reader->lost++;
	wake_up_interruptible(&reader->wait);
}

void line_send(struct line *line, struct reader *to)
{
	static char text[DMARACE_LINE_MAX];
	struct reader *reader;
	unsigned long flags;
	unsigned int length;

	line->text[line->length] = '\0';
	spin_lock_irqsave(&queue_lock, flags);
	/* What was lost comes before this line, in every order. */
	if (to)
		own_up(to);
	else
		list_for_each_entry(reader, &readers, list)
			own_up(reader);
	length = stamp(text, line);
	if (to)
		deliver(to, text, length);
	else
		list_for_each_entry(reader, &readers, list)
			deliver(reader, text, length);
	spin_unlock_irqrestore(&queue_lock, flags);
}

static struct reader *reader_make(unsigned int limit)
{
	struct reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL);

	if (!reader)
		return NULL;
	INIT_LIST_HEAD(&reader->nodes);
	mutex_init(&reader->reading);
	init_waitqueue_head(&reader->wait);
	reader->limit = limit;
	return reader;
}

static void reader_free(struct reader *reader)
{
	struct node *node, *next;

	list_for_each_entry_safe(node, next, &reader->nodes, list)
		kfree(node);
	kfree(reader);
}

/* The first reader after loading inherits the backlog. */
struct reader *reader_open(void)
{
	struct reader *reader = reader_make(DMARACE_QUEUE_MAX);
	struct reader *old;
	unsigned long flags;

	if (!reader)
		return NULL;
	spin_lock_irqsave(&queue_lock, flags);
	old = backlog;
	backlog = NULL;
	if (old) {
		list_del(&old->list);
		list_splice_init(&old->nodes, &reader->nodes);
		reader->count = old->count;
		reader->lost = old->lost;
	}
	list_add_tail(&reader->list, &readers);
	spin_unlock_irqrestore(&queue_lock, flags);
	if (old)
		reader_free(old);
	return reader;
}

void reader_close(struct reader *reader)
{
	unsigned long flags;

	spin_lock_irqsave(&queue_lock, flags);
	list_del(&reader->list);
	spin_unlock_irqrestore(&queue_lock, flags);
	reader_free(reader);
}

int readers_keep_backlog(void)
{
	struct reader *reader = reader_make(BACKLOG_MAX);
	unsigned long flags;

	if (!reader)
		return -ENOMEM;
	spin_lock_irqsave(&queue_lock, flags);
	backlog = reader;
	list_add_tail(&reader->list, &readers);
	spin_unlock_irqrestore(&queue_lock, flags);
	return 0;
}

void readers_forget_backlog(void)
{
	struct reader *old = backlog;

	backlog = NULL;
	if (old)
		reader_close(old);
}

/* Takes the first line if it fits into room; ERR_PTR(-EINVAL) if it does not. */
static struct node *node_take(struct reader *reader, size_t room)
{
	struct node *node = NULL;
	unsigned long flags;

	spin_lock_irqsave(&queue_lock, flags);
	if (list_empty(&reader->nodes))
		own_up(reader);
	if (!list_empty(&reader->nodes)) {
		node = list_first_entry(&reader->nodes, struct node, list);
		if (node->length > room) {
			node = ERR_PTR(-EINVAL);
		} else {
			list_del(&node->list);
			reader->count--;
		}
	}
	spin_unlock_irqrestore(&queue_lock, flags);
	return node;
}

bool reader_has_lines(struct reader *reader)
{
	return !list_empty_careful(&reader->nodes) || READ_ONCE(reader->lost);
}

wait_queue_head_t *reader_queue(struct reader *reader)
{
	return &reader->wait;
}

/* Whole lines, as many as there are and fit. */
static ssize_t reader_copy(struct reader *reader, char __user *to, size_t room)
{
	struct node *node;
	ssize_t done = 0;
	bool bad;

	for (;;) {
		node = node_take(reader, room - done);
		if (!node)
			return done;
		if (IS_ERR(node))
			return done ? done : PTR_ERR(node);
		bad = copy_to_user(to + done, node->text, node->length);
		if (!bad)
			done += node->length;
		kfree(node);
		if (bad)
			return done ? done : -EFAULT;
	}
}

ssize_t reader_read(struct reader *reader, char __user *to, size_t room,
		    bool wait)
{
	ssize_t done;

	do {
		if (wait && wait_event_interruptible(reader->wait,
						     reader_has_lines(reader)))
			return -ERESTARTSYS;
		if (mutex_lock_interruptible(&reader->reading))
			return -ERESTARTSYS;
		done = reader_copy(reader, to, room);
		mutex_unlock(&reader->reading);
		if (done || !wait)
			return done ? done : -EAGAIN;
		/* There was no memory to say what was lost. */
		schedule_timeout_killable(1);
	} while (!signal_pending(current));
	return -ERESTARTSYS;
}
