#include "qmgr/message.h"

#include <stdlib.h>
#include <unistd.h>

struct message *
message_new(enum queue_place place, const char *name, const struct queue_id *id)
{
	struct message *m = zalloc(sizeof(*m));
	size_t n = strlen(name);

	must(n < sizeof(m->name.text));
	m->place = place;
	m->id = *id;
	memcpy(m->name.text, name, n);
	return m;
}

void
message_unload(struct message *m)
{
	if (m->body && m->body->fd >= 0)
		close(m->body->fd);
	m->body = NULL;
	m->arena = arena_free(m->arena);
}

struct message *
message_free(struct message *m)
{
	if (!m)
		return NULL;
	must(m->refs == 0 && !link_is_on(&m->in_line));
	message_unload(m);
	free(m);
	return NULL;
}

/* A text for which there is no room is left out: what counts is the verdict. */
static struct span
keep(struct message *m, struct span s)
{
	char *copy = s.n > 0 ? arena_dup(m->arena, s) : NULL;

	return copy ? (struct span){ copy, s.n } : SPAN("");
}

void
message_decide(struct message *m, size_t n, enum queue_verdict v,
    struct span dsn, struct span relay, struct span text, int64_t now)
{
	must(n < m->body->m.n);

	struct queue_state *s = &m->body->m.states[n];
	/* Who was warned once is not warned with each try. */
	bool warned = s->verdict == QUEUE_DELAYED && s->told;

	*s = (struct queue_state){
		.rcpt = (uint32_t)n,
		.verdict = v,
		.dsn = keep(m, dsn),
		.relay = keep(m, relay),
		.text = keep(m, text),
		.time = now,
		.told = warned && v == QUEUE_DELAYED,
	};
	m->body->rcpts[n].changed = true;
	m->body->rcpts[n].open = false;
}

size_t
message_count(const struct message *m, enum queue_verdict v)
{
	size_t count = 0;

	for (size_t i = 0; i < m->body->m.n; i++)
		count += m->body->m.states[i].verdict == v;
	return count;
}
