/*
 * What became of a recipient without a delivery: decided, counted and logged here.
 */
#include "qmgr/qmgr.h"

#include "mail/maillog.h"
#include "service/counters.h"
#include "service/service.h"

#include <stdio.h>

static enum delivery_status
status_of(enum queue_verdict v)
{
	switch (v) {
	case QUEUE_SENT:
		return DELIVERY_SENT;
	case QUEUE_BOUNCED:
		return DELIVERY_BOUNCED;
	case QUEUE_EXPIRED:
		return DELIVERY_EXPIRED;
	case QUEUE_PENDING:
	case QUEUE_DELAYED:
		break;
	}
	return DELIVERY_DEFERRED;
}

void
count_verdict(enum queue_verdict v)
{
	switch (v) {
	case QUEUE_SENT:
		counter_add(COUNTER_SENT, 1);
		break;
	case QUEUE_BOUNCED:
	case QUEUE_EXPIRED:
		counter_add(COUNTER_BOUNCED, 1);
		break;
	case QUEUE_DELAYED:
		counter_add(COUNTER_DEFERRED, 1);
		break;
	case QUEUE_PENDING:
		break;
	}
}

void
decide_here(struct message *m, size_t n, enum queue_verdict v, const char *dsn,
    const char *text)
{
	const struct queue_message *q = &m->body->m;
	const struct queue_rcpt *r = &q->rcpts[n];
	int64_t now = service_wall();

	count_verdict(v);
	message_decide(m, n, v, span_str(dsn), SPAN("none"), span_str(text),
	    now);
	maillog_delivery(&(struct log_delivery){
	    .service = v == QUEUE_DELAYED ? "retry" : "error",
	    .id = span_str(m->id.text),
	    .to = r->addr,
	    .orig_to = r->orig,
	    .relay = SPAN("none"),
	    .arrived = q->envelope.arrived,
	    .active = m->body->activated,
	    .begun = now,
	    .connected = now,
	    .ended = now,
	    .dsn = span_str(dsn),
	    .status = status_of(v),
	    .text = span_str(text),
	});
}

/* What would be done is all that is to be found out. */
void
decide_verified(struct message *m, size_t n, const char *transport,
    const char *nexthop)
{
	int64_t now = service_wall();
	char text[1024];

	snprintf(text, sizeof(text), "delivers by %s to %s", transport,
	    nexthop[0] ? nexthop : "this machine");
	message_decide(m, n, QUEUE_SENT, SPAN("2.0.0"), SPAN("none"),
	    span_str(text), now);
	maillog_delivery(&(struct log_delivery){
	    .service = "verify",
	    .id = span_str(m->id.text),
	    .to = m->body->m.rcpts[n].addr,
	    .orig_to = m->body->m.rcpts[n].orig,
	    .relay = SPAN("none"),
	    .arrived = m->body->m.envelope.arrived,
	    .active = m->body->activated,
	    .begun = now,
	    .connected = now,
	    .ended = now,
	    .dsn = SPAN("2.0.0"),
	    .status = DELIVERY_DELIVERABLE,
	    .text = span_str(text),
	});
}
