/*
 * A message that was read, on its way to the scheduler, or to its end.
 */
#include "qmgr/qmgr.h"

#include "mail/maillog.h"
#include "service/service.h"

static bool
is_expired(const struct message *m)
{
	const struct queue_envelope *e = &m->body->m.envelope;
	int64_t lifetime = e->sender.n > 0 ? qmgr.settings->lifetime
					   : qmgr.settings->bounce_lifetime;

	return service_wall() - e->arrived > lifetime * 1000;
}

static bool
has_open(const struct message *m)
{
	return message_count(m, QUEUE_PENDING) +
	    message_count(m, QUEUE_DELAYED) >
	    0;
}

/* Of what was tried before: the last word is why it failed. */
static void
expire(struct message *m)
{
	struct message_body *b = m->body;

	maillog_expired(span_str(m->id.text), b->m.envelope.sender);
	for (size_t i = 0; i < b->m.n; i++) {
		struct queue_state last = b->m.states[i];

		if (last.verdict == QUEUE_PENDING ||
		    last.verdict == QUEUE_DELAYED)
			message_decide(m, i, QUEUE_EXPIRED,
			    last.dsn.n ? last.dsn : SPAN("4.4.7"),
			    last.relay.n ? last.relay : SPAN("none"),
			    last.text.n ? last.text : SPAN("not delivered"),
			    service_wall());
	}
}

void
activate(struct message *m)
{
	const struct queue_message *q = &m->body->m;

	m->phase = MESSAGE_ACTIVE;
	m->refs = 1; /* ours, until all are given away */
	if (agent_has(m->id.text)) {
		m->waits_for_agent = true;
		return;
	}
	if (m->place == QUEUE_DEFERRED && has_open(m) && is_expired(m))
		expire(m);
	if (!has_open(m)) { /* what is left is to tell the sender */
		message_unref(m);
		return;
	}
	maillog_active(span_str(m->id.text), q->envelope.sender,
	    q->content_length, q->n);
	route_open(m);
	message_unref(m);
}

void
message_unref(struct message *m)
{
	must(m->refs > 0);
	if (--m->refs == 0)
		record_end(m, NULL, 0);
}
