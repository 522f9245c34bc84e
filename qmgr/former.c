/*
 * What workers were given before our time. A worker outlives a queue manager that
 * crashed: it tells the next one what it still has, and what it has done and
 * nobody took. Such messages wait until that is on record.
 */
#include "qmgr/worker.h"

#include "service/msg.h"

#include <stdlib.h>

/* A message that workers have had since before our time. */
struct running {
	struct hash_link by_id;
	struct queue_id id;
	struct link claims;
};

/* What one of them may still say of it. */
struct claim {
	struct link in_message;
	const struct worker *worker;
	unsigned results;
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

static struct claim *
find_claim(const struct running *r, const struct worker *w)
{
	for (struct link *l = r->claims.next; l != &r->claims; l = l->next) {
		struct claim *c = container_of(l, struct claim, in_message);

		if (c->worker == w)
			return c;
	}
	return NULL;
}

bool
former_has(const struct worker *w, struct span id)
{
	struct queue_id text = { .text = "" };
	struct running *r;

	if (id.n >= sizeof(text.text))
		return false;
	memcpy(text.text, id.p, id.n);
	r = find_running(text.text);
	return r && find_claim(r, w);
}

/* Nobody has it any more: it is read again, with what is on record by now. */
static void
release(struct running *r)
{
	struct queue_id id = r->id;
	struct message *m = qmgr_find(id.text);

	hash_remove(&all, &r->by_id);
	free(r);
	if (!m || !m->waits_for_agent)
		return;

	enum queue_place place = m->place;
	struct queue_name name = m->name;

	m->refs = 0;
	forget(m);
	arrive(place, name.text, 0, true);
}

static void
drop_claim(struct running *r, struct claim *c)
{
	link_remove(&c->in_message);
	free(c);
	if (list_empty(&r->claims))
		release(r);
}

void
agent_has_ended(const char *id, const struct worker *w)
{
	struct running *r = find_running(id);
	struct claim *c = r ? find_claim(r, w) : NULL;

	if (c && --c->results == 0)
		drop_claim(r, c);
}

static void
add_claim(const struct worker *w, struct span id)
{
	struct queue_id text = { .text = "" };
	struct running *r;
	struct claim *c;

	if (id.n >= sizeof(text.text))
		return;
	memcpy(text.text, id.p, id.n);
	r = find_running(text.text);
	if (!r) {
		r = zalloc(sizeof(*r));
		r->id = text;
		list_init(&r->claims);
		hash_add(&all, &r->by_id);
	}
	c = find_claim(r, w);
	if (!c) {
		c = zalloc(sizeof(*c));
		c->worker = w;
		list_append(&r->claims, &c->in_message);
	}
	c->results++;
}

/* It greets once: what it is given after that it is given by us. */
void
former_hello(struct worker *w, const struct msg_in *in)
{
	struct span rest = in->fields, id;

	while (!w->greeted && msg_next(&rest, MSG_FIELD_ID, &id))
		add_claim(w, id);
	w->greeted = true;
	broker_greeted();
}

/* The worker is gone: what it had from before our time is to be tried again. */
void
former_end(const struct worker *w)
{
	struct hash_link *l = hash_next(&all, NULL);

	while (l) {
		struct running *r = container_of(l, struct running, by_id);
		struct claim *c = find_claim(r, w);

		if (c)
			drop_claim(r, c);
		l = c ? hash_next(&all, NULL) : hash_next(&all, l);
	}
}
