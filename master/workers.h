/*
 * workers.h - the workers of a service: started, listened to, told to end, and
 * seen to die. Private to master; services.h is for the others.
 *
 * Workers of a service stand in the order of their start, so of their generation.
 * One that is not even ready when it dies throttles its service; one that dies
 * later is replaced at once, a few times.
 */
#ifndef MASTER_WORKERS_H
#define MASTER_WORKERS_H

#include "base/list.h"
#include "master/services.h"
#include "master/watch.h"
#include "net/channel.h"
#include "service/limits.h"
#include "service/msg.h"
#include "task/task.h"

enum {
	WORKERS_GENERATIONS = 3, /* of a service, that live at a time */
};

struct service {
	struct link link;
	const struct plan_service *want; /* NULL: no longer in the plan */
	char key[128];
	int limits_fd;
	struct limits *limits;
	struct link workers;
	unsigned generation;
	struct bell changed;
	struct watch watch;
	int64_t throttled_until;
	int64_t stressed_until;
	bool stressed; /* its workers have stress=yes */
	int64_t deaths_since;
	unsigned deaths;
};

struct worker {
	struct link link;
	struct service *service;
	struct channel *parent;
	pid_t pid;
	int pidfd;
	unsigned column;
	unsigned generation;
	unsigned busy;
	bool ready;
	bool may_end; /* was told to */
	char program[256];
	char words[256]; /* its last */
};

/* What services.c and workers.c share; one for the process. */
struct services {
	struct daemon_setup setup;
	struct plan *plan;
	struct link all;
	struct bell changed; /* rung when a worker is ready or gone */
	bool stopping;
	char failure[768]; /* of the first worker that could not begin */
};

extern struct services services;

/* The next worker, the first after NULL; NULL after the last. */
struct worker *worker_next(const struct service *s, struct worker *w);

/* Starts one of the service's generation. Returns 0 or -errno. */
MUST_USE int worker_start(struct service *s, unsigned column);

/* The lowest column that no worker has. False: all have one. */
MUST_USE bool worker_column(const struct service *s, unsigned *column_r);

/* A message without fields; a signal; "finish what you have", once. */
void worker_tell(struct worker *w, enum msg_type type);
void worker_end(struct worker *w, int sig);
void worker_drain(struct worker *w);

/* Whether it is a single owner: of that there is one, of any generation. */
bool service_is_single(const struct service *s);

/* Workers of the generation of now, all or those that are ready. */
size_t service_count(const struct service *s, bool ready_only);

/* How many generations that are alive are younger than `generation`. */
unsigned service_younger(const struct service *s, unsigned generation);

/* No worker is started for a while; `what` is logged as the reason. */
void service_throttle(struct service *s, const char *what);

#endif
