/*
 * scheduler.h - which recipients of which message go next. Pure: no clock but
 * the `now` it is given, no I/O.
 *
 * Messages are split into jobs, one a transport; a job into peers, one a
 * destination (a next hop within the transport); a peer into entries, each up to
 * `rcpt_limit` recipients and one delivery request. Jobs of a transport stand in
 * the order of their arrival, and the current one is served first: but a small
 * job may pass a large one once that has earned it delivery slots (preemption,
 * as Postfix's SCHEDULER_README describes), so that a message of a hundred
 * thousand recipients delays nobody much, and is delayed by a bounded factor
 * itself. A job all of whose destinations are at their window is marked as a
 * blocker and passed over in O(1) until one of them has room.
 *
 *	scheduler_begin(&s, &batch, message, now);
 *	scheduler_add(&batch, transport, SPAN("demo.test"), 0, 99);
 *	scheduler_end(&batch);
 *	while ((e = scheduler_next(&s, now)))
 *		deliver(e); ... scheduler_good(e)
 */
#ifndef QMGR_SCHEDULER_H
#define QMGR_SCHEDULER_H

#include "qmgr/destination.h"

struct transport_limits {
	unsigned
	    rcpt_limit; /* of an entry; 0: no limit; 1: one queue a recipient */
	size_t bytes_limit; /* of an entry's recipients; 0: no limit */
	unsigned busy_limit; /* entries at a time; 0: no limit */
	unsigned
	    slot_cost; /* entries that earn one slot; below 2: no preemption */
	unsigned slot_loan;
	unsigned slot_discount; /* per cent */
	unsigned slot_minimum;
	struct destination_limits destination;
};

/* A delivery service of master.cf. */
struct transport {
	struct hash_link link;
	struct link in_all;
	char *name; /* owned */
	struct transport_limits limits;
	struct hash destinations;
	struct link jobs; /* in the scheduler's order */
	struct job *current; /* where to go on */
	struct job *candidate_for; /* the cache of best_candidate() */
	unsigned busy;
	unsigned todo;
	uint64_t tag; /* odd; jobs and destinations with it are blocked */
	int64_t dead_until; /* 0: it is alive */
	char reason[256];
};

/* A message within a transport; gone when its last entry is selected. */
struct job {
	struct link in_order;
	struct link in_batch;
	struct transport *transport;
	void *message;
	int64_t enqueued; /* seconds */
	struct link peers; /* round robin */
	unsigned entries; /* all of it */
	unsigned selected;
	int slots_used;
	int slots_available;
	struct job *parent; /* which it passed */
	struct link children;
	struct link in_parent;
	uint64_t tag;
};

/* One delivery request. */
struct entry {
	struct link in_peer; /* while it waits */
	struct link in_destination; /* while it waits */
	struct link in_use; /* for who delivers it */
	struct job *job; /* NULL once selected */
	struct peer *peer; /* NULL once selected */
	struct destination *to;
	void *message;
	uint32_t *rcpts; /* numbers within the message; owned */
	size_t n;
	size_t max;
	size_t bytes; /* what they take of a request */
	unsigned tries; /* deliveries that ended without an answer */
};

struct scheduler {
	struct hash transports;
	struct link all; /* round robin */
	size_t entries; /* waiting and under way */
};

void scheduler_init(struct scheduler *s);
void scheduler_fini(struct scheduler *s);

/* Returns NULL if there is none of this name. */
struct transport *scheduler_find(struct scheduler *s, struct span name);

/* Adds one, or gives one that is there new limits. */
struct transport *scheduler_transport(struct scheduler *s, struct span name,
    const struct transport_limits *limits);

/* The destination, if it is known: for "is it dead?". */
struct destination *transport_find(struct transport *t, struct span name);

/* One message on its way in. */
struct batch {
	struct scheduler *scheduler;
	void *message;
	int64_t enqueued;
	struct link jobs;
};

void scheduler_begin(struct scheduler *s, struct batch *b, void *message,
    int64_t enqueued_seconds);

/* `bytes` is what the recipient takes of a request; one alone may be too long. */
void scheduler_add(struct batch *b, struct transport *t,
    struct span destination, uint32_t rcpt, size_t bytes);
void scheduler_end(struct batch *b);

/* The next entry to deliver, now under way; NULL: nothing can go now. */
struct entry *scheduler_next(struct scheduler *s, int64_t now);

/*
 * The entry's delivery has been answered. Frees it. `reason`: the destination as
 * a whole failed; returns whether that made it dead, so that what waits for it
 * is to be taken off by scheduler_take_waiting().
 */
MUST_USE bool scheduler_done(struct scheduler *s, struct entry *e,
    const char *reason, int64_t now);

/* There was no answer: it waits again, as a job of its own. */
void scheduler_again(struct scheduler *s, struct entry *e, int64_t now_seconds);

/* Takes an entry that waits for `d`, or NULL; free with scheduler_drop(). */
struct entry *scheduler_take_waiting(struct scheduler *s,
    struct destination *d);
void scheduler_drop(struct scheduler *s, struct entry *e);

/* The transport cannot be used until then; its entries wait. */
void transport_suspend(struct transport *t, const char *reason, int64_t until);

/* Forgets destinations that nothing waits for; to be called now and then. */
void scheduler_purge(struct scheduler *s, int64_t now);

/* For flush: everything may be tried at once. */
void scheduler_revive_all(struct scheduler *s);

#endif
