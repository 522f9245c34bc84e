/*
 * daemon.h - the command line and descriptors with which master starts a daemon.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include "master/plan.h"

#include <sys/types.h>

/* What all daemons are given. */
struct daemon_setup {
	const char *dir; /* the configuration's */
	int log_in; /* where all write */
	int log_out; /* where postlogd reads */
	int clock; /* -1: none */
	bool foreground; /* they keep our standard descriptors */
};

/* What one is given. */
struct daemon {
	const struct plan_service *service;
	int parent; /* its end of the channel to us */
	int limits;
	unsigned generation;
	unsigned column;
	bool stressed;
};

/* Starts it; its sockets are open. Returns 0 and its pid, or -errno. */
MUST_USE int daemon_start(const struct daemon *d,
    const struct daemon_setup *setup, pid_t *pid_r);

#endif
