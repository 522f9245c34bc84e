/*
 * spawn.h - fork and exec of a daemon with the descriptors of service/fds.h.
 */
#ifndef SERVICE_SPAWN_H
#define SERVICE_SPAWN_H

#include "service/fds.h"
#include "service/privs.h"

enum {
	SPAWN_ARGS_MAX = 600,
};

struct spawn {
	const char *path;
	const char *argv[SPAWN_ARGS_MAX]; /* NULL-ended */
	size_t argc;
	int log;
	int parent; /* the daemon's end of the pair */
	int limits; /* -1: /dev/null */
	int clock; /* -1: /dev/null */
	int listeners[FDS_LISTEN_MAX];
	size_t listeners_n;
	bool quiet; /* its standard descriptors are /dev/null */
	const struct privs *as; /* become this first; NULL: stay */
};

/* Appends an argument, which must live until spawn_run(). */
void spawn_arg(struct spawn *s, const char *arg);

/*
 * Starts it. The descriptors stay the caller's. What goes wrong in the child is
 * logged there, and ends it. Returns 0 and its pid, or -errno.
 */
MUST_USE int spawn_run(const struct spawn *s, pid_t *pid_r);

/* A descriptor that can be read when the child has ended, or -errno. */
MUST_USE int spawn_watch(pid_t pid);

/* Reaps a child that has ended: "was killed by signal 9", "exit status 75". */
void spawn_reap(pid_t pid, int *status_r, char *text, size_t max);

#endif
