/*
 * destination.h - a next hop within a transport, and how many deliveries it
 * takes at a time.
 *
 * The window grows with each good delivery and shrinks with each that failed
 * before a recipient was named (reverse hysteresis: it grows at the end of a
 * feedback cycle and shrinks at its beginning). A full cohort of such failures
 * makes the destination dead: nothing is tried until ->dead_until, and what
 * waits for it is deferred at once. Pure: no clock, no I/O.
 */
#ifndef QMGR_DESTINATION_H
#define QMGR_DESTINATION_H

#include "base/hash.h"
#include "base/list.h"
#include "qmgr/feedback.h"

struct transport;

struct destination {
	struct hash_link link; /* in the transport's */
	struct transport *transport;
	char *name; /* owned */
	unsigned window; /* 0: dead */
	unsigned busy; /* entries under way */
	unsigned todo; /* entries that wait */
	struct link waiting; /* those, in the order they came */
	double success;
	double failure;
	double cohorts; /* of failures in a row */
	int64_t dead_until; /* milliseconds, while dead */
	char reason[256]; /* why it is */
	uint64_t tag; /* of the transport, if it blocked a job */
};

struct destination_limits {
	unsigned window_max;
	unsigned window_initial;
	unsigned cohort_limit; /* 0: never dead */
	int64_t dead_ms; /* how long it stays so */
	struct feedback positive;
	struct feedback negative;
};

struct destination *destination_new(struct transport *t, struct span name,
    const struct destination_limits *l);
struct destination *destination_free(struct destination *d);

static inline bool
destination_is_dead(const struct destination *d)
{
	return d->window == 0;
}

static inline bool
destination_is_ready(const struct destination *d)
{
	return d->window > d->busy;
}

/* A delivery did not fail because of the destination as a whole. */
void destination_good(struct destination *d,
    const struct destination_limits *l);

/* It did. Returns whether that made it dead just now. */
bool destination_bad(struct destination *d, const struct destination_limits *l,
    const char *reason, int64_t now);

/* Its time has come, or somebody wants it tried: one delivery may go. */
void destination_revive(struct destination *d);

#endif
