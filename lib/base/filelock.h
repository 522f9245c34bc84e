/*
 * filelock.h - locks on files that other programs use too, mailboxes above all: a
 * file beside it, or one of the kernel's two kinds.
 *
 * What is tried ->attempts times, ->delay apart, is tried as long; but at first
 * more often, as most who hold a lock soon let it go.
 */
#ifndef BASE_FILELOCK_H
#define BASE_FILELOCK_H

#include "base/defs.h"

struct filelock_patience {
	int64_t attempts;
	int64_t delay; /* ms */
	int64_t stale; /* seconds; an older lock file is nobody's */
};

enum {
	FILELOCK_PATH_MAX = 1024,
};

/* A lock file, to be removed by filelock_undo(). "" is none. */
struct filelock_dot {
	char path[FILELOCK_PATH_MAX];
};

/*
 * Makes "PATH.lock". Returns 0; -EEXIST if somebody else had it all the time;
 * another -errno: it cannot be made. Blocks.
 */
MUST_USE int filelock_dot(const char *path, const struct filelock_patience *p,
    struct filelock_dot *lock);
void filelock_undo(struct filelock_dot *lock);

/* Whether a lock file could not be made as the folder is not ours to write to. */
bool filelock_is_denied(int err);

/*
 * Locks `fd` for its only user by fcntl(2), which is ours until a descriptor of
 * the file is closed here, or by flock(2), which is the descriptor's. Returns 0, or
 * -errno: -EAGAIN if somebody else had it all the time. Blocks.
 */
MUST_USE int filelock_fcntl(int fd, const struct filelock_patience *p);
MUST_USE int filelock_flock(int fd, const struct filelock_patience *p);

#endif
