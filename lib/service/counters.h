/*
 * counters.h - how often something happened in a service, over all its workers.
 *
 * Counters lie in the shared memory that master makes for each service, and only
 * grow; a worker's death takes nothing away. `postrider status` shows them.
 */
#ifndef SERVICE_COUNTERS_H
#define SERVICE_COUNTERS_H

#include "service/limits.h"

enum counter {
#define COUNTER(name, text) COUNTER_##name,
#include "service/counters.def"
#undef COUNTER
	COUNTERS_N,
};

/* In a daemon, from any thread; before the frame has begun nothing counts. */
void counter_add(enum counter c, uint64_t n);

/* "sessions" */
const char *counter_name(enum counter c);

#endif
