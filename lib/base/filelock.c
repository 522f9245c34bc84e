#include "base/filelock.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PAUSE_MIN_MS = 5, /* most who hold a lock are of ours */
};

struct waiting {
	int64_t until;
	int64_t attempts; /* left, at least */
	int64_t pause;
	int64_t pause_max;
};

static struct waiting
begin(const struct filelock_patience *p)
{
	return (struct waiting){
		.until = clock_mono() + (p->attempts - 1) * p->delay,
		.attempts = p->attempts,
		.pause = PAUSE_MIN_MS,
		.pause_max = p->delay > PAUSE_MIN_MS ? p->delay : PAUSE_MIN_MS,
	};
}

/* Waits a while for a lock, longer each time. False: it was long enough. */
static bool
wait_more(struct waiting *w)
{
	if (--w->attempts <= 0 && clock_mono() >= w->until)
		return false;
	pause_ms(w->pause);
	w->pause = w->pause * 2 < w->pause_max ? w->pause * 2 : w->pause_max;
	return true;
}

static void
remove_stale(const char *path, int64_t age)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (lstat(path, &st) == 0 && st.st_mtime + age < now.tv_sec)
		(void)unlink(path);
}

int
filelock_dot(const char *path, const struct filelock_patience *p,
    struct filelock_dot *lock)
{
	struct waiting w = begin(p);
	char name[FILELOCK_PATH_MAX];
	int fd, err;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	do {
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
		err = fd < 0 ? errno : 0;
		if (err != EEXIST)
			break;
		remove_stale(name, p->stale);
	} while (wait_more(&w));
	if (fd < 0)
		return -err;
	close(fd);
	memcpy(lock->path, name, sizeof(name));
	return 0;
}

void
filelock_undo(struct filelock_dot *lock)
{
	if (lock->path[0])
		(void)unlink(lock->path);
	lock->path[0] = '\0';
}

bool
filelock_is_denied(int err)
{
	return err == -EACCES || err == -EROFS || err == -EPERM;
}

static int
try_fcntl(int fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &l);
}

static int
try_flock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int
lock_by(int (*try)(int), int fd, const struct filelock_patience *p)
{
	struct waiting w = begin(p);

	do {
		if (try(fd) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
	} while (wait_more(&w));
	return -EAGAIN;
}

int
filelock_fcntl(int fd, const struct filelock_patience *p)
{
	return lock_by(try_fcntl, fd, p);
}

int
filelock_flock(int fd, const struct filelock_patience *p)
{
	return lock_by(try_flock, fd, p);
}
