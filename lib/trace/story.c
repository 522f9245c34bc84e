#include "trace/story.h"

#include "base/hash.h"
#include "trace/keys.h"

#include <stdlib.h>

enum {
	NAMES_MAX = 20000,
	EVENTS_MAX = 100000,
	TALK_MAX = 500, /* events of a connection in each of its stories */
};

/* A queue ID, a connection or a session. */
struct name {
	struct hash_link link;
	struct span text;
	struct name *of; /* another name of the story; itself: the first one */
	struct name *next; /* in the order in which they were found */
	struct span connection; /* on which it came, if it is an ID */
	bool is_told; /* a connection that is told with its messages */
	size_t story; /* 1 more than its number; of the first name */
};

struct event {
	struct hash_link link;
	struct trace_event e;
	struct name *name;
	struct event *next;
};

struct telling {
	const struct trace_ring *ring;
	const struct trace_query *query;
	struct arena *arena;
	struct hash names;
	struct hash events;
	struct name *first_name, *last_name;
	struct event *first_event;
	struct event *talk; /* events of connections, once for each story */
	size_t talk_n;
	bool cut;
	char packet[LOG_PACKET_MAX];
};

static struct span
name_key(struct hash_link *l)
{
	return container_of(l, struct name, link)->text;
}

static struct span
event_key(struct hash_link *l)
{
	const struct event *e = container_of(l, struct event, link);

	return (struct span){ (const char *)&e->e.at, sizeof(e->e.at) };
}

static struct name *
first_of(struct name *n)
{
	while (n->of != n)
		n = n->of = n->of->of;
	return n;
}

static struct span
keep(struct telling *t, struct span s)
{
	return (struct span){ arena_dup(t->arena, s), s.n };
}

/* The name, which is new if need be; NULL: there are too many. */
static struct name *
get_name(struct telling *t, struct span text)
{
	struct hash_link *l = hash_find(&t->names, text);
	struct name *n = l ? container_of(l, struct name, link) : NULL;

	if (n)
		return n;
	n = t->names.n < NAMES_MAX ? ARENA_NEW(t->arena, struct name) : NULL;
	if (n)
		n->text = keep(t, text);
	if (!n || !n->text.p) {
		t->cut = true;
		return NULL;
	}
	n->of = n;
	hash_add(&t->names, &n->link);
	if (t->last_name)
		t->last_name->next = n;
	else
		t->first_name = n;
	t->last_name = n;
	return n;
}

static bool
is_in_time(const struct telling *t, const struct trace_record *rec)
{
	return rec->time >= t->query->since && rec->time <= t->query->until;
}

static struct event *
new_event(struct telling *t, const struct trace_record *rec, struct name *n)
{
	struct event *e = t->events.n + t->talk_n < EVENTS_MAX
	    ? ARENA_NEW(t->arena, struct event)
	    : NULL;

	if (e)
		e->e = (struct trace_event){
			.at = rec->at,
			.time = rec->time,
			.packet = keep(t, rec->packet),
		};
	if (!e || !e->e.packet.p) {
		t->cut = true;
		return NULL;
	}
	e->name = n;
	return e;
}

/* An event that is told, and what it leads to. */
static void
add_event(struct telling *t, const struct trace_record *rec,
    const struct log_record *r)
{
	struct span at = { (const char *)&rec->at, sizeof(rec->at) };
	struct span names[TRACE_NAMES_MAX];
	size_t names_n = trace_names(r, names);
	struct name *first = NULL;
	struct event *e;

	if (names_n == 0 || hash_find(&t->events, at))
		return;
	for (size_t i = 0; i < names_n; i++) {
		struct name *n = get_name(t, names[i]);

		if (n && first)
			first_of(n)->of = first_of(first);
		else if (n)
			first = n;
	}
	e = first ? new_event(t, rec, first) : NULL;
	if (!e)
		return;
	if (trace_connection(r).n > 0 && first->connection.n == 0)
		first->connection = keep(t, trace_connection(r));
	hash_add(&t->events, &e->link);
	e->next = t->first_event;
	t->first_event = e;
}

static bool
is_about(const struct log_record *r, struct span name)
{
	struct span names[TRACE_NAMES_MAX];
	size_t n = trace_names(r, names);

	for (size_t i = 0; i < n; i++)
		if (span_eq(names[i], name))
			return true;
	return false;
}

/* Where the stories begin: the newest events that have the key. */
static void
find_first(struct telling *t)
{
	const struct trace_query *q = t->query;
	struct trace_cursor c;
	struct trace_record rec;
	struct log_record r;

	trace_ring_find(t->ring, q->key, q->since, q->until, &c);
	while (trace_ring_next(t->ring, &c, t->packet, &rec)) {
		struct span names[TRACE_NAMES_MAX];

		if (!is_in_time(t, &rec) || !log_decode(rec.packet, &r) ||
		    !trace_has_key(&r, q->key) || trace_names(&r, names) == 0)
			continue;
		if (t->names.n >= q->max && !hash_find(&t->names, names[0])) {
			t->cut = true;
			break;
		}
		add_event(t, &rec, &r);
	}
}

static void
follow(struct telling *t, const struct name *n)
{
	struct trace_cursor c;
	struct trace_record rec;
	struct log_record r;

	trace_ring_find(t->ring, n->text, t->query->since, t->query->until, &c);
	while (trace_ring_next(t->ring, &c, t->packet, &rec))
		if (is_in_time(t, &rec) && log_decode(rec.packet, &r) &&
		    is_about(&r, n->text))
			add_event(t, &rec, &r);
}

/* What was said on the connection of a message, but of other messages. */
static void
tell_talk(struct telling *t, struct name *n)
{
	struct trace_cursor c;
	struct trace_record rec;
	struct log_record r;
	size_t told = 0;

	trace_ring_find(t->ring, n->connection, t->query->since,
	    t->query->until, &c);
	while (
	    told < TALK_MAX && trace_ring_next(t->ring, &c, t->packet, &rec)) {
		struct event *e;

		if (!is_in_time(t, &rec) || !log_decode(rec.packet, &r) ||
		    !is_about(&r, n->connection))
			continue;
		e = new_event(t, &rec, n);
		if (!e)
			return;
		e->next = t->talk;
		t->talk = e;
		t->talk_n++;
		told++;
	}
}

/* A connection that is told with its messages is no story of its own. */
static void
tell_connections(struct telling *t)
{
	for (struct name *n = t->first_name; n; n = n->next) {
		struct hash_link *l;

		if (n->connection.n == 0)
			continue;
		tell_talk(t, n);
		l = hash_find(&t->names, n->connection);
		if (l)
			container_of(l, struct name, link)->is_told = true;
	}
}

static int
by_time(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->at == y->at ? 0 : x->at < y->at ? -1 : 1;
}

static int
by_story(const void *a, const void *b)
{
	const struct trace_event *x = a, *y = b;

	if (x->story != y->story)
		return x->story < y->story ? -1 : 1;
	return by_time(a, b);
}

struct list {
	const struct event **v;
	size_t n;
};

static int
by_event_time(const void *a, const void *b)
{
	const struct event *const *x = a, *const *y = b;

	return by_time(&(*x)->e, &(*y)->e);
}

static void
put_events(struct list *all, const struct event *e)
{
	for (; e; e = e->next)
		if (!first_of(e->name)->is_told)
			all->v[all->n++] = e;
}

/* Numbers the stories by their first events, and puts all in order. */
static void
put_answer(struct telling *t, struct trace_answer *answer)
{
	size_t max = t->events.n + t->talk_n;
	struct list all = { .v = arena_alloc(t->arena,
				(max + 1) * sizeof(*all.v)) };

	answer->events = arena_alloc(t->arena,
	    (max + 1) * sizeof(*answer->events));
	if (!all.v || !answer->events) {
		t->cut = true;
		return;
	}
	put_events(&all, t->first_event);
	put_events(&all, t->talk);
	qsort(all.v, all.n, sizeof(*all.v), by_event_time);
	for (size_t i = 0; i < all.n; i++) {
		struct name *first = first_of(all.v[i]->name);

		if (first->story == 0)
			first->story = ++answer->stories;
		answer->events[answer->n] = all.v[i]->e;
		answer->events[answer->n++].story = first->story - 1;
	}
	qsort(answer->events, answer->n, sizeof(*answer->events), by_story);
}

/* One event can have come twice: two IDs of a story on one connection. */
static void
drop_twins(struct trace_answer *answer)
{
	size_t n = 0;

	for (size_t i = 0; i < answer->n; i++)
		if (n == 0 ||
		    answer->events[n - 1].at != answer->events[i].at ||
		    answer->events[n - 1].story != answer->events[i].story)
			answer->events[n++] = answer->events[i];
	answer->n = n;
}

struct trace_answer
trace_tell(const struct trace_ring *r, const struct trace_query *q,
    struct arena *a)
{
	struct trace_answer answer = { 0 };
	struct telling *t = zalloc(sizeof(*t));

	t->ring = r;
	t->query = q;
	t->arena = a;
	hash_init(&t->names, name_key);
	hash_init(&t->events, event_key);
	find_first(t);
	for (struct name *n = t->first_name; n; n = n->next)
		follow(t, n);
	tell_connections(t);
	put_answer(t, &answer);
	drop_twins(&answer);
	answer.cut = t->cut;
	hash_fini(&t->names);
	hash_fini(&t->events);
	free(t);
	return answer;
}
