/*
 * fair.h - who may compute now: a few places, shared out among keys in turn.
 *
 * Who waits stands in the lane of its key (a client's address), and the lanes
 * take turns, so that a flood from one address only makes that address wait. One
 * key never has all the places while there are two: somebody else's turn then
 * comes at once, and not after a hash.
 */
#ifndef AUTH_FAIR_H
#define AUTH_FAIR_H

#include "base/hash.h"
#include "base/list.h"
#include "task/task.h"

enum {
	FAIR_KEY_MAX = 64,
};

struct fair {
	size_t free;
	size_t share; /* places that one key may have */
	struct hash lanes; /* those with somebody in them */
	struct link ring; /* lanes whose first may go, in turn */
};

struct fair_lane;

/* `places` is at least 1. */
void fair_init(struct fair *f, size_t places);
void fair_fini(struct fair *f);

/*
 * Takes a place for `key`, with TASK_READY and *lane_r, or none. May sleep.
 */
MUST_USE enum task_wake fair_take(struct fair *f, struct span key,
    int64_t deadline, struct fair_lane **lane_r);
void fair_give(struct fair *f, struct fair_lane *lane);

#endif
