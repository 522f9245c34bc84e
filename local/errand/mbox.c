/* A message goes to the end of a file: an mbox, or what an alias names. */
#include "local/errand/errand.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
	LOCK_PAUSE_MIN_MS = 5, /* most who hold a lock are of ours */
	FROM_MAX = 2048,
	PATH_LEN = 1024,
};

static void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A lock file, which is removed when this goes out of scope; "" is none. */
struct dotlock {
	char path[PATH_LEN];
};

static void
unlock(struct dotlock *d)
{
	if (d->path[0])
		(void)unlink(d->path);
}

/*
 * What is tried deliver_lock_attempts times, deliver_lock_delay apart, is tried as
 * long; but at first more often, as most who hold a lock soon let it go.
 */
struct patience {
	int64_t until;
	int64_t attempts; /* left, at least */
	int64_t pause;
	int64_t pause_max;
};

static struct patience
begin_patience(const struct errand *e)
{
	int64_t delay = (int64_t)msg_u64(&e->in, MSG_FIELD_MILLISECONDS);
	int64_t attempts = (int64_t)msg_u64(&e->in, MSG_FIELD_COUNT);

	return (struct patience){
		.until = clock_mono() + (attempts - 1) * delay,
		.attempts = attempts,
		.pause = LOCK_PAUSE_MIN_MS,
		.pause_max = delay > LOCK_PAUSE_MIN_MS ? delay
						       : LOCK_PAUSE_MIN_MS,
	};
}

/* Waits a while for a lock, longer each time. False: it was long enough. */
static bool
wait_more(struct patience *p)
{
	if (--p->attempts <= 0 && clock_mono() >= p->until)
		return false;
	pause_ms(p->pause);
	p->pause = p->pause * 2 < p->pause_max ? p->pause * 2 : p->pause_max;
	return true;
}

static void
remove_stale(const char *path, uint64_t age)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (lstat(path, &st) == 0 && st.st_mtime + (int64_t)age < now.tv_sec)
		(void)unlink(path);
}

/*
 * 0, or -errno. Where no lock can be made because the folder is not ours to
 * write to, nobody else can make one either.
 */
static int
lock_dot(const struct errand *e, const char *path, struct dotlock *d)
{
	char name[PATH_LEN];
	struct patience patience = begin_patience(e);
	int fd = -1, err = 0;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	do {
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		err = fd < 0 ? errno : 0;
		if (err != EEXIST)
			break;
		remove_stale(name, msg_u64(&e->in, MSG_FIELD_TTL));
	} while (wait_more(&patience));
	if (fd < 0)
		return err == EACCES || err == EROFS || err == EPERM ? 0 : -err;
	close(fd);
	memcpy(d->path, name, sizeof(name));
	return 0;
}

static int
lock_fcntl(const struct errand *e, int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct patience patience = begin_patience(e);

	do {
		if (fcntl(fd, F_SETLK, &l) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
	} while (wait_more(&patience));
	return -EAGAIN;
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
	struct dotlock lock CLEANUP(unlock) = { "" };
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
	if (!err && (flags & ERRAND_FCNTL) && S_ISREG(st.st_mode))
		err = lock_fcntl(e, fd);
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
