/* A message goes to the end of a file: an mbox, or what an alias names. */
#include "local/errand/errand.h"

#include "base/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	FROM_MAX = 2048,
};

static void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static struct filelock_patience
patience_of(const struct errand *e)
{
	return (struct filelock_patience){
		.attempts = (int64_t)msg_u64(&e->in, MSG_FIELD_COUNT),
		.delay = (int64_t)msg_u64(&e->in, MSG_FIELD_MILLISECONDS),
		.stale = (int64_t)msg_u64(&e->in, MSG_FIELD_TTL),
	};
}

/*
 * 0, or -errno. Where no lock can be made because the folder is not ours to
 * write to, nobody else can make one either.
 */
static int
lock_dot(const struct errand *e, const char *path, struct filelock_dot *d)
{
	struct filelock_patience p = patience_of(e);
	int err = filelock_dot(path, &p, d);

	return filelock_is_denied(err) ? 0 : err;
}

/* By those of the kernel's that are asked for. */
static int
lock_file(const struct errand *e, uint64_t flags, int fd)
{
	struct filelock_patience p = patience_of(e);
	int err = 0;

	if (flags & ERRAND_FLOCK)
		err = filelock_flock(fd, &p);
	if (!err && (flags & ERRAND_FCNTL))
		err = filelock_fcntl(fd, &p);
	return err;
}

/* What is wrong with it, or NULL. Nobody follows links here. */
static const char *
find_fault(const struct stat *st, bool mailbox)
{
	if (!mailbox && S_ISCHR(st->st_mode) &&
	    st->st_rdev == makedev(1, 3)) /* /dev/null */
		return NULL;
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_nlink != 1)
		return "it has other names (hard links)";
	if (mailbox && st->st_uid != geteuid())
		return "it does not belong to the user";
	return NULL;
}

static void
fail(const struct errand *e, struct errand_result *r, const char *path, int err,
    const char *text)
{
	const char *dsn = err == EFBIG    ? "5.2.2"
	    : err == EDQUOT               ? "4.2.2"
	    : err == ENOSPC || err == EIO ? "4.3.0"
					  : "4.2.0";

	errand_fail(r, err == EFBIG ? DELIVERY_BOUNCED : DELIVERY_DEFERRED, dsn,
	    "%s %s: %s",
	    e->kind == ERRAND_MBOX ? "cannot update mailbox"
				   : "cannot append message to file",
	    path, text);
}

/* 0 or -errno; what was there before is all that is left then. */
static int
append(const struct errand *e, int fd, const struct stat *st)
{
	uint64_t max = msg_u64(&e->in, MSG_FIELD_MAX_SIZE);
	struct span head = errand_head(e);
	char *storage = arena_alloc(e->arena, FROM_MAX + head.n);
	struct buf b;
	int err;

	must(storage);
	buf_init(&b, storage, FROM_MAX + head.n);
	errand_put_from(e, &b);
	buf_put(&b, head);
	if (S_ISREG(st->st_mode) && max > 0 &&
	    (uint64_t)st->st_size + b.n + msg_u64(&e->in, MSG_FIELD_LENGTH) >
		max)
		return -EFBIG;
	err = errand_copy(e, fd, buf_span(&b), true);
	if (!err && S_ISREG(st->st_mode) && fsync(fd) < 0)
		err = -errno;
	if (err && S_ISREG(st->st_mode) && ftruncate(fd, st->st_size) < 0)
		err = -EIO;
	return err;
}

static void
deliver(const struct errand *e, struct errand_result *r, const char *path)
{
	bool mailbox = e->kind == ERRAND_MBOX;
	uint64_t flags = msg_u64(&e->in, MSG_FIELD_FLAGS);
	struct filelock_dot lock CLEANUP(filelock_undo) = { "" };
	int fd CLEANUP(closep) = -1;
	const char *fault;
	struct stat st;
	int err = 0;

	if ((flags & ERRAND_DOTLOCK) && strncmp(path, "/dev/", 5) != 0)
		err = lock_dot(e, path, &lock);
	if (!err) {
		fd = open(path,
		    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
			O_NOCTTY | O_CLOEXEC,
		    0600);
		err = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	}
	if (err == 0 && (fault = find_fault(&st, mailbox))) {
		fail(e, r, path, EPERM, fault);
		return;
	}
	if (!err && S_ISREG(st.st_mode))
		err = lock_file(e, flags, fd);
	if (!err && fstat(fd, &st) < 0)
		err = -errno;
	if (!err)
		err = append(e, fd, &st);
	if (err)
		fail(e, r, path, -err,
		    err == -EBADMSG     ? "the queue file is damaged"
			: err == -EFBIG ? "mailbox size limit exceeded"
					: strerror(-err));
}

void
errand_mbox(const struct errand *e, struct errand_result *r)
{
	bool mailbox = e->kind == ERRAND_MBOX;
	const char *path = arena_dup(e->arena, msg_str(&e->in, MSG_FIELD_FILE));

	must(path);
	r->status = DELIVERY_SENT;
	r->dsn = "2.0.0";
	if (mailbox)
		snprintf(r->text, sizeof(r->text), "delivered to mailbox");
	else
		snprintf(r->text, sizeof(r->text), "delivered to file: %s",
		    path);
	deliver(e, r, path);
}
