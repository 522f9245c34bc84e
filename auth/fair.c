#include "auth/fair.h"

#include <stdlib.h>

struct fair_lane {
	struct hash_link by_key;
	struct link in_ring;
	struct link waiting;
	size_t running;
	size_t key_n;
	char key[FAIR_KEY_MAX];
};

/* On the stack of the task that waits. */
struct waiter {
	struct link link;
	struct bell granted;
	bool may_go;
};

static struct span
key_of(struct hash_link *l)
{
	const struct fair_lane *lane = container_of(l, struct fair_lane,
	    by_key);

	return (struct span){ lane->key, lane->key_n };
}

void
fair_init(struct fair *f, size_t places)
{
	must(places > 0);
	*f = (struct fair){
		.free = places,
		.share = places > 1 ? places - 1 : 1,
	};
	hash_init(&f->lanes, key_of);
	list_init(&f->ring);
}

void
fair_fini(struct fair *f)
{
	must(f->lanes.n == 0);
	hash_fini(&f->lanes);
}

static struct fair_lane *
enter(struct fair *f, struct span key)
{
	struct fair_lane *lane;
	struct hash_link *l;

	if (key.n > FAIR_KEY_MAX)
		key.n = FAIR_KEY_MAX;
	l = hash_find(&f->lanes, key);
	if (l)
		return container_of(l, struct fair_lane, by_key);
	lane = zalloc(sizeof(*lane));
	memcpy(lane->key, key.p, key.n);
	lane->key_n = key.n;
	list_init(&lane->waiting);
	hash_add(&f->lanes, &lane->by_key);
	return lane;
}

/* Puts a lane where it belongs now, at the end of the ring or not in it. */
static void
place(struct fair *f, struct fair_lane *lane)
{
	link_remove(&lane->in_ring);
	if (!list_empty(&lane->waiting)) {
		if (lane->running < f->share)
			list_append(&f->ring, &lane->in_ring);
	} else if (lane->running == 0) {
		hash_remove(&f->lanes, &lane->by_key);
		free(lane);
	}
}

static void
grant(struct fair *f)
{
	while (f->free > 0 && !list_empty(&f->ring)) {
		struct fair_lane *lane = container_of(f->ring.next,
		    struct fair_lane, in_ring);
		struct waiter *w = container_of(lane->waiting.next,
		    struct waiter, link);

		link_remove(&w->link);
		w->may_go = true;
		bell_ring(&w->granted);
		f->free--;
		lane->running++;
		place(f, lane);
	}
}

void
fair_give(struct fair *f, struct fair_lane *lane)
{
	must(lane->running > 0);
	lane->running--;
	f->free++;
	/* Its turn comes last only if it was not waiting for one already. */
	if (!link_is_on(&lane->in_ring))
		place(f, lane);
	grant(f);
}

enum task_wake
fair_take(struct fair *f, struct span key, int64_t deadline,
    struct fair_lane **lane_r)
{
	struct fair_lane *lane = enter(f, key);
	struct waiter w = { .may_go = false };
	enum task_wake wake = TASK_READY;

	bell_init(&w.granted, "a turn to hash");
	list_append(&lane->waiting, &w.link);
	if (!link_is_on(&lane->in_ring))
		place(f, lane);
	grant(f);
	while (!w.may_go && wake == TASK_READY)
		wake = bell_wait(&w.granted, deadline);
	if (w.may_go) {
		*lane_r = lane;
		return TASK_READY;
	}
	link_remove(&w.link);
	if (list_empty(&lane->waiting))
		place(f, lane);
	return wake;
}
