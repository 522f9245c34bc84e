/*
 * pool.h - the processes that do errands for local: kept for a while, for the
 * next one of the same user. Private to local.
 */
#ifndef LOCAL_MAIN_POOL_H
#define LOCAL_MAIN_POOL_H

#include "base/buf.h"
#include "base/why.h"
#include "local/errand/errand.h"

#include <sys/types.h>

enum {
	POOL_MAX = 500, /* errands under way; more wait for their turn */
};

/* As whom: `group` is a further one, or (gid_t)-1. */
struct pool_who {
	uid_t uid;
	gid_t gid;
	gid_t group;
};

struct pool_params {
	const char *program; /* path of the program `errand` */
	const char *dir; /* of the configuration: whose it is */
	const char *log_name; /* syslog_name */
	int64_t idle_ms; /* how long one without work is kept */
};

void pool_init(const struct pool_params *p);

/* A request begun; its fields go to ->b until pool_ask(). */
struct pool_call {
	struct buf b;
	struct msg_in in; /* the answer; it lives in the call's memory */
	char *packet;
};

/* Memory from pool_begin() on is given back by pool_end(). */
void pool_begin(struct pool_call *c, enum errand_kind kind);
void pool_end(struct pool_call *c);

/*
 * Has it done as `who`, with a copy of descriptor `fd` (-1: without). False with
 * `why`: nobody knows what came of it. A COMMAND takes as long as it may; all else
 * has `ms`. May sleep.
 */
MUST_USE bool pool_ask(struct pool_call *c, const struct pool_who *who, int fd,
    int64_t ms, struct why *why);

/* All end that have nothing to do. May sleep. */
void pool_fini(void);

#endif
