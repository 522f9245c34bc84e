/*
 * limits.h - counts that all workers of a service share, in shared memory.
 *
 * Master makes a table for each service and hands it to every worker. A row is
 * a key (a client's address; or the service as a whole), a column a worker: each
 * adds and subtracts in its own column only, and reads the sum of all. When a
 * worker dies master zeroes its column, so nothing leaks. The size is fixed: if
 * no row is free one that counts nothing is taken over, and if there is none
 * the count is not kept: the table limits, it never authorises. A key is known
 * by a keyed hash of 64 bits. The row of the empty key is always there.
 */
#ifndef SERVICE_LIMITS_H
#define SERVICE_LIMITS_H

#include "base/defs.h"
#include "base/span.h"

enum {
	LIMITS_ROWS = 4096,
	LIMITS_COUNTERS = 64, /* that only grow; see counters.h */
	LIMITS_COLUMNS = 64, /* workers of a service, of all generations */
};

struct limits;

/* Makes a table; its descriptor is for limits_attach(). -errno on failure. */
MUST_USE int limits_create(void);

/*
 * Maps the table of `fd` as the worker of `column`; who only looks or clears
 * takes any. NULL: it is none.
 */
struct limits *limits_attach(int fd, unsigned column);
struct limits *limits_detach(struct limits *l);

/*
 * Counts one for `key` if that makes no more than `limit` (0: no limit). False:
 * it would be more; nothing is counted.
 */
MUST_USE bool limits_take(struct limits *l, struct span key, int64_t limit);
void limits_give(struct limits *l, struct span key);

/* How many are counted for `key` now. */
int64_t limits_count(const struct limits *l, struct span key);

/* The sessions of the service as a whole: the row of the empty key. */
int64_t limits_column_count(const struct limits *l, unsigned column);

/* Adds to the counter of this number, and reads it. */
void limits_count_up(struct limits *l, unsigned counter, uint64_t n);
uint64_t limits_counter(const struct limits *l, unsigned counter);

/* For master: the worker of this column is dead. */
void limits_clear_column(struct limits *l, unsigned column);

#endif
