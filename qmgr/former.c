/*
 * What workers were given before our time. A worker outlives a queue manager that
 * crashed: it tells the next one what it still has, and what it has done and
 * nobody took. Such messages wait until that is on record.
 */
#include "qmgr/worker.h"

#include "service/msg.h"

#include <stdlib.h>

/* A message that a worker has had since before our time. */
struct running {
	struct hash_link by_id;
	struct queue_id id;
	struct worker *worker;
};

static struct hash all;

static struct span
running_key(struct hash_link *l)
{
	struct running *r = container_of(l, struct running, by_id);

	return span_str(r->id.text);
}

static struct running *
find_running(const char *id)
{
	if (!all.key)
		hash_init(&all, running_key);

	struct hash_link *l = hash_find(&all, span_str(id));

	return l ? container_of(l, struct running, by_id) : NULL;
}

bool
agent_has(const char *id)
{
	return find_running(id) != NULL;
}

void
agent_has_ended(const char *id)
{
	struct running *r = find_running(id);
	struct message *m = qmgr_find(id);

	if (r) {
		hash_remove(&all, &r->by_id);
		free(r);
	}
	if (!m || !m->waits_for_agent)
		return;

	enum queue_place place = m->place;
	struct queue_name name = m->name;

	m->refs = 0;
	forget(m);
	arrive(place, name.text, 0, true);
}

void
former_hello(struct worker *w, const struct msg_in *in)
{
	struct span rest = in->fields, id;

	w->greeted = true;
	while (msg_next(&rest, MSG_FIELD_ID, &id)) {
		struct running *r = zalloc(sizeof(*r));

		memcpy(r->id.text, id.p,
		    id.n < QUEUE_ID_MAX ? id.n : QUEUE_ID_MAX - 1);
		if (find_running(r->id.text)) {
			free(r);
			continue;
		}
		r->worker = w;
		hash_add(&all, &r->by_id);
	}
	broker_greeted();
}

/* The worker is gone: what it had from before our time is to be tried again. */
void
former_end(const struct worker *w)
{
	struct hash_link *l = hash_next(&all, NULL);

	while (l) {
		struct running *r = container_of(l, struct running, by_id);
		struct queue_id id = r->id;
		bool its = r->worker == w;

		if (its)
			agent_has_ended(id.text);
		l = its ? hash_next(&all, NULL) : hash_next(&all, l);
	}
}
