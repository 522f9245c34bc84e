#include "qmgr/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

/* A job within a destination. */
struct peer {
	struct link in_job;
	struct destination *to;
	struct link entries;
};

static struct span
transport_key(struct hash_link *l)
{
	const struct transport *t = container_of(l, struct transport, link);

	return span_str(t->name);
}

static struct span
destination_key(struct hash_link *l)
{
	const struct destination *d = container_of(l, struct destination, link);

	return span_str(d->name);
}

void
scheduler_init(struct scheduler *s)
{
	*s = (struct scheduler){ 0 };
	hash_init(&s->transports, transport_key);
	list_init(&s->all);
}

struct transport *
scheduler_find(struct scheduler *s, struct span name)
{
	struct hash_link *l = hash_find(&s->transports, name);

	return l ? container_of(l, struct transport, link) : NULL;
}

struct transport *
scheduler_transport(struct scheduler *s, struct span name,
    const struct transport_limits *limits)
{
	struct transport *t = scheduler_find(s, name);

	if (!t) {
		t = zalloc(sizeof(*t));
		t->name = zalloc(name.n + 1);
		memcpy(t->name, name.p, name.n);
		t->tag = 1;
		hash_init(&t->destinations, destination_key);
		list_init(&t->jobs);
		hash_add(&s->transports, &t->link);
		list_append(&s->all, &t->in_all);
	}
	t->limits = *limits;
	return t;
}

struct destination *
transport_find(struct transport *t, struct span name)
{
	struct hash_link *l = hash_find(&t->destinations, name);

	return l ? container_of(l, struct destination, link) : NULL;
}

static struct destination *
get_destination(struct transport *t, struct span name)
{
	struct destination *d = transport_find(t, name);

	if (d)
		return d;
	d = destination_new(t, name, &t->limits.destination);
	hash_add(&t->destinations, &d->link);
	return d;
}

/* Jobs, peers, entries. */

static struct job *
next_job(struct transport *t, const struct job *j)
{
	struct link *l = j ? j->in_order.next : t->jobs.next;

	return l == &t->jobs ? NULL : container_of(l, struct job, in_order);
}

static struct job *
make_job(struct transport *t, void *message, int64_t enqueued)
{
	struct job *j = zalloc(sizeof(*j));

	j->transport = t;
	j->message = message;
	j->enqueued = enqueued;
	list_init(&j->peers);
	list_init(&j->children);
	return j;
}

static struct peer *
get_peer(struct job *j, struct destination *d)
{
	struct link *l = j->peers.prev;

	/* Recipients of one domain mostly stand together: the last first. */
	for (; l != &j->peers; l = l->prev) {
		struct peer *p = container_of(l, struct peer, in_job);

		if (p->to == d)
			return p;
	}

	struct peer *p = zalloc(sizeof(*p));

	p->to = d;
	list_init(&p->entries);
	list_append(&j->peers, &p->in_job);
	return p;
}

static void
put_in_peer(struct peer *p, struct job *j, struct entry *e)
{
	e->peer = p;
	e->job = j;
	e->to = p->to;
	list_append(&p->entries, &e->in_peer);
	list_append(&p->to->waiting, &e->in_destination);
	p->to->todo++;
	j->transport->todo++;
	j->entries++;
}

static struct entry *
make_entry(struct scheduler *s, struct peer *p, struct job *j)
{
	struct entry *e = zalloc(sizeof(*e));

	e->message = j->message;
	put_in_peer(p, j, e);
	s->entries++;
	return e;
}

static void
put_rcpt(struct entry *e, uint32_t rcpt, size_t bytes)
{
	if (e->n == e->max) {
		e->max = e->max ? 2 * e->max : 4;
		e->rcpts = reallocarray(e->rcpts, e->max, sizeof(*e->rcpts));
		if (!e->rcpts)
			die("out of memory: %zu recipients", e->max);
	}
	e->rcpts[e->n++] = rcpt;
	e->bytes += bytes;
}

static bool
has_room(const struct entry *e, const struct transport_limits *l, size_t bytes)
{
	return (l->rcpt_limit == 0 || e->n < l->rcpt_limit) &&
	    (l->bytes_limit == 0 || e->bytes + bytes <= l->bytes_limit);
}

void
scheduler_begin(struct scheduler *s, struct batch *b, void *message,
    int64_t enqueued_seconds)
{
	*b = (struct batch){
		.scheduler = s,
		.message = message,
		.enqueued = enqueued_seconds,
	};
	list_init(&b->jobs);
}

static struct job *
batch_job(struct batch *b, struct transport *t)
{
	for (struct link *l = b->jobs.next; l != &b->jobs; l = l->next) {
		struct job *j = container_of(l, struct job, in_batch);

		if (j->transport == t)
			return j;
	}

	struct job *j = make_job(t, b->message, b->enqueued);

	list_append(&b->jobs, &j->in_batch);
	return j;
}

void
scheduler_add(struct batch *b, struct transport *t, struct span destination,
    uint32_t rcpt, size_t bytes)
{
	struct job *j = batch_job(b, t);
	struct peer *p = get_peer(j, get_destination(t, destination));
	struct entry *e = NULL;

	if (!list_empty(&p->entries))
		e = container_of(p->entries.prev, struct entry, in_peer);
	if (!e || !has_room(e, &t->limits, bytes))
		e = make_entry(b->scheduler, p, j);
	put_rcpt(e, rcpt, bytes);
}

/* Behind all that came earlier, whatever has passed whom since. */
static void
line_up(struct job *j)
{
	struct transport *t = j->transport;

	list_append(&t->jobs, &j->in_order);
	if (!t->current)
		t->current = j;
	t->candidate_for = NULL;
}

void
scheduler_end(struct batch *b)
{
	while (!list_empty(&b->jobs)) {
		struct job *j = container_of(b->jobs.next, struct job,
		    in_batch);

		link_remove(&j->in_batch);
		line_up(j);
	}
}

/* Preemption. */

/* Entries that are still to be selected. */
static unsigned
left(const struct job *j)
{
	return j->entries - j->selected;
}

static bool
is_blocked(const struct job *j)
{
	return j->tag == j->transport->tag;
}

/*
 * The job behind `cur` that gains most by passing it: small and old. Only those
 * that would be through before `cur` has earned its next slots are candidates.
 */
static struct job *
best_candidate(struct job *cur, int64_t now_seconds)
{
	struct transport *t = cur->transport;
	int cost = (int)t->limits.slot_cost;
	int room = ((int)left(cur) + cur->slots_available) / cost;
	struct job *best = NULL;
	double best_score = 0;

	for (struct job *j = next_job(t, cur); j; j = next_job(t, j)) {
		double waited = (double)(now_seconds - j->enqueued + 1);

		if (waited <= best_score)
			break; /* the rest are younger */
		if (!list_empty(&j->children) || is_blocked(j) ||
		    (int)left(j) > room || left(j) == 0)
			continue;
		if (waited / j->entries > best_score) {
			best_score = waited / j->entries;
			best = j;
		}
	}
	return best;
}

static struct job *
try_preempt(struct job *cur, int64_t now_seconds)
{
	const struct transport_limits *l = &cur->transport->limits;
	int cost = (int)l->slot_cost;

	if (cur->slots_available <= 0 ||
	    cur->entries < l->slot_minimum * l->slot_cost)
		return cur;
	if (cur->transport->candidate_for == cur)
		return cur; /* nobody has come since there was none */

	struct job *j = best_candidate(cur, now_seconds);

	if (!j) {
		cur->transport->candidate_for = cur;
		return cur;
	}

	int need = (int)left(j);

	if (cur->slots_available / cost + (int)l->slot_loan <
	    need * (100 - (int)l->slot_discount) / 100)
		return cur;
	link_remove(&j->in_order);
	link_insert_after(cur->in_order.prev, &j->in_order);
	/* It may have passed another before, and have been stopped on its way. */
	link_remove(&j->in_parent);
	j->parent = cur;
	list_append(&cur->children, &j->in_parent);
	cur->slots_available -= need * cost;
	j->slots_used = -need;
	return j;
}

static void
adopt_children(struct job *j)
{
	while (!list_empty(&j->children)) {
		struct job *c = container_of(j->children.next, struct job,
		    in_parent);

		link_remove(&c->in_parent);
		c->parent = j->parent;
		if (j->parent)
			list_append(&j->parent->children, &c->in_parent);
	}
}

/* All its entries are selected: what it used of its parent's slots is paid. */
static void
retire(struct job *j)
{
	struct transport *t = j->transport;

	if (j->parent) {
		j->parent->slots_available -= j->slots_used *
		    (int)t->limits.slot_cost;
		link_remove(&j->in_parent);
	}
	adopt_children(j);
	if (t->current == j)
		t->current = next_job(t, j);
	t->candidate_for = NULL;
	link_remove(&j->in_order);
	must(list_empty(&j->peers));
	free(j);
}

/* Selection. */

static struct peer *
ready_peer(struct job *j)
{
	for (struct link *l = j->peers.next; l != &j->peers; l = l->next) {
		struct peer *p = container_of(l, struct peer, in_job);

		if (destination_is_ready(p->to))
			return p;
	}
	return NULL;
}

/* Takes `e` out of job and peer, which are gone when they are empty. */
static void
take_off(struct entry *e)
{
	struct peer *p = e->peer;
	struct job *j = e->job;

	link_remove(&e->in_peer);
	link_remove(&e->in_destination);
	e->to->todo--;
	j->transport->todo--;
	j->selected++;
	link_remove(&p->in_job);
	if (list_empty(&p->entries))
		free(p);
	else
		list_append(&j->peers, &p->in_job); /* the others first */
	e->peer = NULL;
	e->job = NULL;
}

static struct entry *
select_entry(struct job *j, struct peer *p)
{
	struct entry *e = container_of(p->entries.next, struct entry, in_peer);

	take_off(e);
	e->to->busy++;
	j->transport->busy++;
	j->slots_available++;
	j->slots_used++;
	j->transport->current = j;
	if (list_empty(&j->peers))
		retire(j);
	return e;
}

static void
block(struct job *j)
{
	uint64_t tag = j->transport->tag;

	j->tag = tag;
	for (struct link *l = j->peers.next; l != &j->peers; l = l->next)
		container_of(l, struct peer, in_job)->to->tag = tag;
}

/* A destination of a job that was passed over has room: look at all again. */
static void
unblock(struct destination *d)
{
	struct transport *t = d->transport;

	if (d->tag != t->tag || !destination_is_ready(d))
		return;
	t->tag += 2;
	t->current = next_job(t, NULL);
	t->candidate_for = NULL;
}

static struct entry *
take_from(struct transport *t, int64_t now_seconds)
{
	struct job *j = t->current;

	if (j && t->limits.slot_cost >= 2)
		j = try_preempt(j, now_seconds);
	for (; j; j = next_job(t, j)) {
		struct peer *p = is_blocked(j) ? NULL : ready_peer(j);

		if (p)
			return select_entry(j, p);
		block(j);
	}
	t->current = NULL;
	return NULL;
}

static bool
may_be_tried(struct transport *t, int64_t now)
{
	if (t->todo == 0 || !t->current)
		return false;
	if (t->limits.busy_limit > 0 && t->busy >= t->limits.busy_limit)
		return false;
	if (t->dead_until > now)
		return false;
	t->dead_until = 0;
	return true;
}

struct entry *
scheduler_next(struct scheduler *s, int64_t now)
{
	struct link *l = s->all.next;

	for (; l != &s->all; l = l->next) {
		struct transport *t = container_of(l, struct transport, in_all);
		struct entry *e = NULL;

		if (may_be_tried(t, now))
			e = take_from(t, now / 1000);
		if (!e)
			continue;
		link_remove(&t->in_all); /* the others first, next time */
		list_append(&s->all, &t->in_all);
		return e;
	}
	return NULL;
}

/* What becomes of entries. */

static void
free_entry(struct scheduler *s, struct entry *e)
{
	must(!e->peer && !link_is_on(&e->in_use));
	s->entries--;
	free(e->rcpts);
	free(e);
}

static void
no_longer_busy(struct entry *e)
{
	e->to->busy--;
	e->to->transport->busy--;
}

bool
scheduler_done(struct scheduler *s, struct entry *e, const char *reason,
    int64_t now)
{
	struct destination *d = e->to;
	const struct destination_limits *l = &d->transport->limits.destination;
	bool died = false;

	no_longer_busy(e);
	if (reason)
		died = destination_bad(d, l, reason, now);
	else
		destination_good(d, l);
	free_entry(s, e);
	unblock(d);
	return died;
}

void
scheduler_again(struct scheduler *s, struct entry *e, int64_t now_seconds)
{
	struct transport *t = e->to->transport;
	struct job *j = make_job(t, e->message, now_seconds);

	(void)s;
	no_longer_busy(e);
	put_in_peer(get_peer(j, e->to), j, e);
	line_up(j);
	unblock(e->to);
}

struct entry *
scheduler_take_waiting(struct scheduler *s, struct destination *d)
{
	(void)s;
	if (list_empty(&d->waiting))
		return NULL;

	struct entry *e = container_of(d->waiting.next, struct entry,
	    in_destination);
	struct job *j = e->job;

	take_off(e);
	if (list_empty(&j->peers))
		retire(j);
	return e;
}

void
scheduler_drop(struct scheduler *s, struct entry *e)
{
	free_entry(s, e);
}

void
transport_suspend(struct transport *t, const char *reason, int64_t until)
{
	t->dead_until = until;
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
}

/*
 * What is idle goes, some of it at each call; a dead one only when its time is
 * up, and if something waits for it by then, one delivery is tried.
 */
static void
purge(struct transport *t, int64_t now)
{
	struct hash_link *l = hash_next(&t->destinations, NULL);
	struct destination *idle[64];
	size_t n = 0;

	for (; l && n < COUNT_OF(idle); l = hash_next(&t->destinations, l)) {
		struct destination *d = container_of(l, struct destination,
		    link);

		if (destination_is_dead(d) && d->dead_until > now)
			continue;
		if (d->busy == 0 && d->todo == 0) {
			idle[n++] = d;
		} else if (destination_is_dead(d)) {
			destination_revive(d);
			unblock(d);
		}
	}
	while (n > 0) {
		hash_remove(&t->destinations, &idle[--n]->link);
		destination_free(idle[n]);
	}
}

void
scheduler_purge(struct scheduler *s, int64_t now)
{
	for (struct link *l = s->all.next; l != &s->all; l = l->next)
		purge(container_of(l, struct transport, in_all), now);
}

static void
revive(struct transport *t)
{
	struct hash_link *l = hash_next(&t->destinations, NULL);

	t->dead_until = 0;
	for (; l; l = hash_next(&t->destinations, l)) {
		struct destination *d = container_of(l, struct destination,
		    link);

		destination_revive(d);
		unblock(d);
	}
}

void
scheduler_revive_all(struct scheduler *s)
{
	for (struct link *l = s->all.next; l != &s->all; l = l->next)
		revive(container_of(l, struct transport, in_all));
}

void
scheduler_fini(struct scheduler *s)
{
	while (!list_empty(&s->all)) {
		struct transport *t = container_of(s->all.next,
		    struct transport, in_all);

		must(t->busy == 0 && t->todo == 0);
		while (t->destinations.n > 0) {
			struct hash_link *l = hash_next(&t->destinations, NULL);

			hash_remove(&t->destinations, l);
			destination_free(
			    container_of(l, struct destination, link));
		}
		hash_fini(&t->destinations);
		hash_remove(&s->transports, &t->link);
		link_remove(&t->in_all);
		free(t->name);
		free(t);
	}
	hash_fini(&s->transports);
}
