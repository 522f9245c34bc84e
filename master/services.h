/*
 * services.h - the services that run, and their workers.
 *
 * Each service has a task that keeps as many workers as the plan wants, and each
 * worker a task that listens to it and sees its end. A worker that dies is
 * replaced at once; if it was not even ready, or many die in a row, its service
 * is throttled. Workers of all generations accept from the same sockets, and a
 * generation is told to drain when the next one is ready: nothing is dropped.
 */
#ifndef MASTER_SERVICES_H
#define MASTER_SERVICES_H

#include "master/daemon.h"
#include "service/limits.h"

/* Before all else; in a task. */
void services_init(const struct daemon_setup *setup);

/*
 * Makes the plan true; its sockets are open. The plan must live until the next
 * one was applied.
 */
void services_apply(struct plan *plan);

/*
 * Waits until all workers are ready. False: one could not begin, and `text_r`
 * says why, or it took too long. May sleep.
 */
MUST_USE bool services_wait_ready(int64_t deadline, char *text_r, size_t max);

/*
 * Waits until a reload would end nobody's session: at most three generations of a
 * service live, and the oldest would have to go. At the deadline it is so. False:
 * cancelled. May sleep.
 */
MUST_USE bool services_wait_replaceable(int64_t deadline);

/*
 * A task: replaces the workers of services whose files have changed, until it is
 * cancelled.
 */
void services_watch(void *arg);

/* Ends all, the log last; those that do not end in time are killed. May sleep. */
void services_stop(int64_t grace);

/* Kills all. May sleep. */
void services_abort(void);

/* Sends all workers a message without fields: the tests' clock was moved. */
void services_tell_all(int msg_type);

struct services_state {
	const char *name;
	const char *type;
	size_t workers;
	unsigned generation;
	int64_t sessions;
	const char *text; /* "", or what is wrong with it */
	const struct limits *limits; /* for its counters */
};

typedef void services_fn(const struct services_state *s, void *arg);
void services_each(services_fn *fn, void *arg);

#endif
