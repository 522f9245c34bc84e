/*
 * What sendmail and postdrop have left in maildrop/ becomes mail. A file there
 * belongs to who submitted it, which is all that is believed of him: the rest was
 * checked by nobody but us. It is read twice, for its recipients and then for its
 * content, and removed when it is in the queue.
 */
#include "smtpd/cleanup/cleanup.h"

#include "base/log.h"
#include "mail/address.h"
#include "mail/maillog.h"
#include "queue/drop.h"
#include "service/service.h"
#include "smtpd/notify.h"
#include "task/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	WAKE_MS = 60 * 1000,
	BATCH = 64, /* names that are read at once */
	NAME_LEN = 64,
	STALE_SECONDS = 24 * 3600, /* begun and not finished */
	ARENA_MAX = 64 << 20, /* of recipients */
	ENVELOPE_MAX = 64 << 20, /* of a file, beside its content */
	READ_MAX = 8 * DROP_RECORD_MAX,
	TURN =
	    256, /* recipients that are looked up before others have a turn */
};

static struct bell poked;
static bool is_poked;

/* The folder while it is gone through, and the names that were read last. */
struct names {
	DIR *dir; /* NULL: at its beginning */
	size_t n;
	char name[BATCH][NAME_LEN];
	int err;
};

/* What is read ahead of a file. */
struct reader {
	char *storage; /* READ_MAX */
	struct span in;
	off_t at;
	ssize_t got; /* by the last read, or -errno */
};

/* A file of maildrop/. */
struct dropped {
	uint64_t size; /* of the content */
	const char *name;
	int fd;
	struct reader reader;
	uid_t uid;
	struct arena *arena;
	struct intake *in;
	struct span sender, person, envid;
	unsigned ret, notify, trace;
	bool is_8bit;
	struct queue_rcpt *rcpts;
	size_t n, max;
	enum {
		FILE_GOOD,
		FILE_LATER, /* busy, not complete, or not to be read now */
		FILE_DAMAGED,
		FILE_GONE,
	} state;
	const char *damage;
	int error;
};

typedef void record_fn(struct dropped *d, const struct drop_record *r);

void
pickup_poke(void)
{
	is_poked = true;
	if (poked.name)
		bell_ring(&poked);
}

/* Offloaded: the next names; none is the end. */
static void
list_names(void *arg)
{
	struct names *all = arg;
	const struct dirent *e = NULL;

	all->n = 0;
	if (!all->dir)
		all->dir = opendir("maildrop");
	all->err = all->dir ? 0 : -errno;
	while (all->dir && all->n < BATCH && (e = readdir(all->dir))) {
		size_t len = strlen(e->d_name);

		if (e->d_name[0] == '.' || len >= NAME_LEN)
			continue;
		memcpy(all->name[all->n++], e->d_name, len + 1);
	}
	if (all->dir && !e && all->n < BATCH) {
		closedir(all->dir);
		all->dir = NULL;
	}
}

/* Offloaded. */
static void
close_folder(void *arg)
{
	struct names *all = arg;

	if (all->dir)
		closedir(all->dir);
	all->dir = NULL;
}

static void
path_of(const struct dropped *d, const char *folder, char path[128])
{
	snprintf(path, 128, "%s/%s", folder, d->name);
}

/* What is not whole can be read by its owner only. */
static bool
is_whole(struct dropped *d, const struct stat *st)
{
	if (!S_ISREG(st->st_mode)) {
		d->state = FILE_DAMAGED;
		d->damage = "is no file";
		return false;
	}
	if (st->st_mode & S_IXUSR)
		return true;
	if (time(NULL) - st->st_mtime > STALE_SECONDS)
		d->state = FILE_GONE;
	return false;
}

/* Offloaded: opens it, if it is a whole file of somebody's and nobody else has it. */
static void
open_file(void *arg)
{
	struct dropped *d = arg;
	char path[128];
	struct stat st;

	d->state = FILE_LATER;
	path_of(d, "maildrop", path);
	if (lstat(path, &st) < 0 || !is_whole(d, &st))
		return;
	d->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0) {
		d->error = errno == ENOENT ? 0 : -errno;
		return;
	}
	/* The old and the new process of a reload, for instance. */
	if (flock(d->fd, LOCK_EX | LOCK_NB) < 0 || fstat(d->fd, &st) < 0 ||
	    st.st_nlink == 0 || !is_whole(d, &st))
		return;
	d->uid = st.st_uid;
	d->state = FILE_GOOD;
	if (st.st_nlink != 1)
		d->damage = "has several names";
	else if (params.size_limit > 0 &&
	    st.st_size > params.size_limit * 2 + ENVELOPE_MAX)
		d->damage = "is too large";
	if (d->damage)
		d->state = FILE_DAMAGED;
}

static struct span
keep(struct dropped *d, struct span s)
{
	char *copy = arena_dup(d->arena, s);

	if (!copy) {
		d->state = FILE_DAMAGED;
		d->damage = "has too many recipients";
		return (struct span){ 0 };
	}
	return (struct span){ copy, s.n };
}

static void
add_rcpt(struct dropped *d, struct span addr)
{
	if (d->n == d->max) {
		size_t max = d->max ? 2 * d->max : 16;
		struct queue_rcpt *more = arena_alloc(d->arena,
		    max * sizeof(*more));

		if (!more) {
			d->state = FILE_DAMAGED;
			d->damage = "has too many recipients";
			return;
		}
		if (d->n)
			memcpy(more, d->rcpts, d->n * sizeof(*more));
		d->rcpts = more;
		d->max = max;
	}
	d->rcpts[d->n++].addr = keep(d, addr);
}

/* Postfix's users know what is no address; a queue file may hold no other. */
static bool
is_address(struct span text)
{
	struct address a;

	return take_mailbox(&text, ADDRESS_UTF8, &a) && text.n == 0;
}

static void
take_envelope(struct dropped *d, const struct drop_record *r)
{
	switch (r->type) {
	case DROP_SENDER:
		if (r->text.n == 0 || is_address(r->text))
			d->sender = keep(d, r->text);
		else
			d->damage = "has a sender that is no address";
		break;
	case DROP_RCPT:
		if (is_address(r->text))
			add_rcpt(d, r->text);
		else
			d->damage = "has a recipient that is no address";
		break;
	case DROP_NAME:
		d->person = keep(d, r->text);
		break;
	case DROP_ENVID:
		d->envid = keep(d, r->text);
		break;
	case DROP_RET:
		d->ret = drop_number(r->text, 2);
		break;
	case DROP_TRACE:
		d->trace = drop_number(r->text, 2);
		break;
	case DROP_NOTIFY:
		d->notify = drop_number(r->text, 15);
		break;
	case DROP_8BIT:
		d->is_8bit = true;
		break;
	case DROP_CONTENT:
	case DROP_END:
		break;
	}
	if (d->damage)
		d->state = FILE_DAMAGED;
}

static void
take_content(struct dropped *d, const struct drop_record *r)
{
	if (r->type != DROP_CONTENT)
		return;
	d->size += r->text.n;
	if (!intake_feed(d->in, r->text))
		d->error = d->in->error;
}

static void
damaged(struct dropped *d, const char *what)
{
	d->state = FILE_DAMAGED;
	d->damage = what;
}

/* Offloaded. */
static void
read_on(void *arg)
{
	struct dropped *d = arg;
	struct reader *r = &d->reader;

	r->got = pread(d->fd, r->storage + r->in.n, READ_MAX - r->in.n, r->at);
	if (r->got < 0)
		r->got = -errno;
}

/* Reads on. False: the file is over, or cannot be read. */
static bool
refill(struct dropped *d)
{
	struct reader *r = &d->reader;

	memmove(r->storage, r->in.p, r->in.n);
	r->in.p = r->storage;
	task_offload(TASK_DISK, read_on, d);
	if (r->got < 0)
		d->error = (int)r->got;
	if (r->got <= 0)
		return false;
	r->at += r->got;
	r->in.n += (size_t)r->got;
	return true;
}

/* Takes all records of the file, which have to be whole. */
static void
each_record(struct dropped *d, record_fn *fn)
{
	struct reader *r = &d->reader;
	struct drop_scan scan = { 0 };
	struct drop_record record;
	bool over = false;

	*r = (struct reader){ .storage = zalloc(READ_MAX) };
	r->in.p = r->storage;
	while (!over && d->state == FILE_GOOD && !d->error)
		switch (drop_take(&scan, &r->in, &record)) {
		case DROP_TAKEN:
			fn(d, &record);
			break;
		case DROP_MORE:
			if (!refill(d) && !d->error)
				damaged(d, "is not whole");
			break;
		case DROP_OVER:
			if (refill(d))
				damaged(d, "has something behind its end");
			over = true;
			break;
		case DROP_BAD:
			damaged(d, "is damaged");
			break;
		}
	free(r->storage);
	r->storage = NULL;
}

/* All but the content. */
static void
read_envelope(struct dropped *d)
{
	task_offload(TASK_DISK, open_file, d);
	if (d->state == FILE_GOOD)
		each_record(d, take_envelope);
	if (d->state == FILE_GOOD && !d->error && d->n == 0)
		damaged(d, "has no recipient");
}

/* One that stayed would be taken in again, each minute. */
static void
remove_file(const struct dropped *d)
{
	char path[128], aside[128];

	path_of(d, "maildrop", path);
	if (unlink(path) == 0 || errno == ENOENT)
		return;
	log_error("%s: cannot be removed: %s", path, strerror(errno));
	path_of(d, "corrupt", aside);
	if (rename(path, aside) < 0)
		log_error("%s: cannot be moved: %s", path, strerror(errno));
	else
		log_warning("%s is mail that was taken in", aside);
}

/* Offloaded: durable, and the file goes. */
static void
commit(void *arg)
{
	struct dropped *d = arg;

	d->error = intake_commit(d->in);
	if (!d->error)
		remove_file(d);
}

/* The content. The head's addresses ask tables, which are the loop's. */
static void
take_in(struct dropped *d)
{
	each_record(d, take_content);
	if (d->state != FILE_GOOD || d->error)
		return;
	if (!intake_end(d->in))
		d->error = d->in->error;
	else if (d->in->scan.received > (uint64_t)params.hopcount_limit)
		damaged(d, "goes round: it has too many Received: fields");
	else if (params.size_limit > 0 && d->size > (uint64_t)params.size_limit)
		damaged(d, "is too large");
	else
		task_offload(TASK_DISK, commit, d);
}

/* Keeps what is no mail for who wants to look at it. */
static void
set_aside(const struct dropped *d)
{
	char from[128], to[128];

	path_of(d, "maildrop", from);
	path_of(d, "corrupt", to);
	log_error("%s %s: moved to corrupt/", from, d->damage);
	if (rename(from, to) < 0)
		log_error("%s: cannot be moved: %s", from, strerror(errno));
}

/* Offloaded: what is open goes. */
static void
leave(void *arg)
{
	struct dropped *d = arg;

	if (d->state == FILE_DAMAGED)
		set_aside(d);
	else if (d->state == FILE_GONE)
		remove_file(d);
	intake_free(d->in);
	arena_free(d->arena);
	if (d->fd >= 0)
		close(d->fd);
}

/* False: what an address stands for cannot be found out now. */
static bool
begin(struct dropped *d)
{
	char by[64];

	d->in = intake_new(&intake_conf, service_wall());
	d->in->flush = cleanup_flush;
	d->in->complete = true;
	d->in->sender = d->sender;
	d->in->sender_name = d->person;
	d->in->envelope.envid = d->envid;
	d->in->envelope.ret = d->ret;
	d->in->envelope.filter = span_str(params.content_filter);
	d->in->envelope.flags = (d->is_8bit ? QUEUE_8BIT : 0U) |
	    (d->trace == 1 ? QUEUE_TRACE : 0U) |
	    (d->trace == 2 ? QUEUE_VERIFY : 0U);
	snprintf(by, sizeof(by), ", from userid %lu", (unsigned long)d->uid);
	cleanup_received(d->in, by);
	for (size_t i = 0; i < d->n; i++) {
		if (i % TURN == TURN - 1)
			(void)task_sleep(task_after(0));
		d->rcpts[i].notify = d->notify;
		if (intake_add(d->in, &d->rcpts[i]) != INTAKE_ADDED)
			return false;
	}
	return true;
}

static void
tell(const struct dropped *d)
{
	maillog_submitted(span_str(d->in->id.text), d->uid, d->sender);
	intake_log_id(d->in);
	notify_new(span_str(d->in->name.text));
}

/* Why not has been logged; whose mail that is has not. */
static void
not_mapped(struct dropped *d)
{
	d->state = FILE_LATER;
	log_warning("maildrop/%s cannot be taken in now: who its recipients "
		    "are cannot be found out",
	    d->name);
}

static void
pick_up(const char *name)
{
	struct dropped d = {
		.name = name,
		.fd = -1,
		.arena = arena_new(ARENA_MAX),
	};

	read_envelope(&d);
	if (d.state == FILE_GOOD && !d.error) {
		if (begin(&d))
			take_in(&d);
		else
			not_mapped(&d);
	}
	if (d.state == FILE_GOOD && !d.error)
		tell(&d);
	else if (d.error)
		log_warning("maildrop/%s cannot be taken in now: %s", name,
		    strerror(-d.error));
	task_offload(TASK_DISK, leave, &d);
}

/* All that is there; what cannot be taken now is left for the next time. */
static void
scan(struct names *all)
{
	do {
		task_offload(TASK_DISK, list_names, all);
		if (all->err)
			log_error("maildrop cannot be read: %s",
			    strerror(-all->err));
		for (size_t i = 0; i < all->n && !service_stopping(); i++)
			pick_up(all->name[i]);
	} while (all->dir && !service_stopping());
	task_offload(TASK_DISK, close_folder, all);
}

void
pickup_serve(void *arg)
{
	struct names *all = zalloc(sizeof(*all));
	enum task_wake wake = TASK_TIMEOUT;

	(void)arg;
	bell_init(&poked, "something in maildrop/");
	while (wake != TASK_CANCELLED) {
		is_poked = false;
		scan(all);
		wake = TASK_READY;
		if (!is_poked)
			wake = bell_wait(&poked, task_after(WAKE_MS));
		if (service_stopping())
			break;
	}
	free(all);
}
