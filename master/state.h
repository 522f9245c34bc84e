/*
 * state.h - how the suite is: what master says of its services, and what lies in
 * the folders of the queue.
 *
 * For `postrider status`, metrics and top, and for the service metrics. All of it
 * blocks, and is done in queue_directory.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include "base/buf.h"
#include "base/why.h"
#include "service/counters.h"
#include "service/msg.h"

enum {
	STATE_SERVICES_MAX = 256,
	STATE_NAME_MAX = 128,
	STATE_FOLDERS = 5,
};

struct state_service {
	char name[STATE_NAME_MAX];
	char type[16]; /* "inet" */
	uint64_t workers;
	uint64_t sessions;
	uint64_t counters[COUNTERS_N];
};

struct state {
	struct state_service services[STATE_SERVICES_MAX];
	size_t n;
	uint64_t folders[STATE_FOLDERS]; /* files in them */
};

/* "incoming", "deferred", "hold", "corrupt", "maildrop" */
const char *state_folder(size_t i);

/*
 * Sends master a request, which this ends, and calls `fn` for each answer but the
 * last. Returns 0, or -errno with `why`. Blocks.
 */
typedef void state_fn(const struct msg_in *in, void *arg);
MUST_USE int state_ask(struct buf *request, state_fn *fn, void *arg,
    struct why *why);

/* Finds out all. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int state_read(struct state *s, struct why *why);

/* Over all services. Plain. */
uint64_t state_sum(const struct state *s, enum counter c);

/* What a SERVICE_STATUS says; for the fuzzer and the test, too. Plain. */
void state_add(struct state *s, const struct msg_in *in);

#endif
