/*
 * penalty.h - how long a client waits for a "no", by its address.
 *
 * Each wrong password from an address doubles the wait for the answer, up to a
 * maximum; after a while without one it is forgotten. Who is right never waits,
 * so that those who share an address with somebody who guesses can work. And an
 * address has only so many attempts under way: the wait cannot be got around by
 * many connections.
 */
#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H

#include "base/hash.h"
#include "base/list.h"
#include "net/addr.h"

struct penalty_limits {
	int64_t first; /* ms: the wait for the first failure; 0: none */
	int64_t most; /* ms */
	int64_t forget; /* ms after the last failure */
	size_t attempts; /* under way, of one address */
	size_t all; /* of all together */
};

struct penalty {
	struct penalty_limits limits;
	struct hash rows;
	struct link quiet; /* rows without an attempt, the oldest first */
	size_t attempts; /* under way */
	size_t max; /* rows */
};

struct penalty_row;

void penalty_init(struct penalty *p, const struct penalty_limits *l,
    size_t max);
void penalty_fini(struct penalty *p);

/*
 * The key of an address: of IPv6 the network, as that is what one customer has.
 * What is no address is its own key.
 */
void penalty_key(struct span address, struct buf *key);

/* Begins an attempt. NULL: too many are under way. */
MUST_USE struct penalty_row *penalty_enter(struct penalty *p, struct span key,
    int64_t now);
void penalty_leave(struct penalty *p, struct penalty_row *r);

/* Counts a failure. Returns how long its answer waits, in milliseconds. */
int64_t penalty_failed(struct penalty *p, struct penalty_row *r, int64_t now);

/* The same for one that is known and not counted again. */
int64_t penalty_again(const struct penalty *p, const struct penalty_row *r);

#endif
