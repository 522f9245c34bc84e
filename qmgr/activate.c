/*
 * A message that was read gets its way: each recipient its transport, next hop
 * and mailbox, and so a place with the scheduler; or a verdict here and now.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "mail/address.h"
#include "mail/maillog.h"
#include "qmgr/fleet.h"
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

/* The transport, with limits of its own, or NULL if main.cf has wrong ones. */
static struct transport *
get_transport(const char *name)
{
	struct transport *t = scheduler_find(&qmgr.scheduler, span_str(name));
	struct transport_limits limits;
	struct why why;

	if (t)
		return t;
	if (settings_limits(qmgr.settings, name, &limits, &why) < 0) {
		log_error("%s", why.text);
		return NULL;
	}
	return scheduler_transport(&qmgr.scheduler, span_str(name), &limits);
}

/* error:, retry: and discard: are no programs; what they say is done here. */
static bool
decide_built_in(struct message *m, size_t n, const struct route *r)
{
	const char *text = r->nexthop[0] ? r->nexthop
					 : "mail is not delivered here";

	if (strcmp(r->transport, "error") == 0)
		decide_here(m, n, QUEUE_BOUNCED, "5.0.0", text);
	else if (strcmp(r->transport, "retry") == 0)
		decide_here(m, n, QUEUE_DELAYED, "4.0.0", text);
	else if (strcmp(r->transport, "discard") == 0)
		decide_here(m, n, QUEUE_SENT, "2.0.0", text);
	else
		return false;
	return true;
}

/* A transport of which master.cf has no service that delivers. */
static void
decide_unserved(struct message *m, size_t n, const struct route *r)
{
	char text[256];

	snprintf(text, sizeof(text),
	    "mail transport unavailable: no service %.100s delivers mail",
	    r->transport);
	decide_here(m, n, QUEUE_DELAYED, "4.3.0", text);
}

/*
 * Who took the mail in knew the recipient: if we do not, its table may have been
 * replaced since we read it. That is found out before anything is decided.
 */
static enum dict_result
look_up_mailbox(struct message *m, const struct route *r,
    struct mailbox_place *place_r, struct why *why)
{
	struct span rcpt = span_str(r->rcpt);
	enum dict_result found = routing_mailbox(qmgr.settings->routing, rcpt,
	    m->arena, place_r, why);

	if (found == DICT_ABSENT && tables_refresh())
		found = routing_mailbox(qmgr.settings->routing, rcpt, m->arena,
		    place_r, why);
	if (found == DICT_ABSENT)
		found = authd_place(rcpt, m->arena, place_r, why);
	return found;
}

/* Finds the mailbox. False: there is a verdict instead. */
static bool
find_mailbox(struct message *m, size_t n, const struct route *r)
{
	struct recipient *to = &m->body->rcpts[n];
	struct mailbox_place place;
	char text[512];
	struct why why;

	switch (look_up_mailbox(m, r, &place, &why)) {
	case DICT_FOUND:
		to->root = place.root;
		to->path = place.path;
		to->uid = place.uid;
		to->gid = place.gid;
		return true;
	case DICT_ABSENT:
		snprintf(text, sizeof(text), "unknown user: \"%.300s\"",
		    r->rcpt);
		decide_here(m, n, QUEUE_BOUNCED, "5.1.1", text);
		return false;
	case DICT_TEMPFAIL:
		break;
	}
	log_about(LOG_LEVEL_WARNING, m->id.text, "%s", why.text);
	decide_here(m, n, QUEUE_DELAYED, "4.3.5",
	    "mail system configuration error");
	return false;
}

/*
 * The destination's name: the next hop, and of mailboxes whose they are, as one
 * request goes to one owner; with a recipient limit of 1 it is the recipient.
 */
static struct span
name_destination(const struct recipient *to, const struct transport *t,
    char *name, size_t max)
{
	const char *what = t->limits.rcpt_limit == 1 ? to->rcpt : to->nexthop;
	int len;

	if (to->root)
		len = snprintf(name, max, "%s %lu:%lu", what,
		    (unsigned long)to->uid, (unsigned long)to->gid);
	else
		len = snprintf(name, max, "%s", what);
	return (struct span){ name, (size_t)len < max ? (size_t)len : max - 1 };
}

static void
schedule(struct message *m, size_t n, const struct route *r, struct batch *b)
{
	struct transport *t = get_transport(r->transport);
	struct destination *d;
	char name[768], text[512];
	struct span key;

	if (!t) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.5",
		    "mail system configuration error");
		return;
	}
	key = name_destination(&m->body->rcpts[n], t, name, sizeof(name));
	d = transport_find(t, key);
	if (d && destination_is_dead(d)) {
		snprintf(text, sizeof(text),
		    "delivery temporarily suspended: %s", d->reason);
		decide_here(m, n, QUEUE_DELAYED, "4.4.1", text);
		return;
	}
	scheduler_add(b, t, key, (uint32_t)n);
}

/*
 * All recipients go where a table has sent the message: "transport:nexthop", or
 * each to his domain. False: there is no memory to say so.
 */
static bool
use_filter(struct message *m, struct route *r)
{
	struct span nexthop = m->body->m.envelope.filter;
	struct span transport = span_cut(&nexthop, ':');
	const char *at = strrchr(r->rcpt, '@');

	if (transport.n == 0)
		return true;
	r->class = CLASS_DEFAULT;
	r->transport = arena_dup(m->arena, transport);
	if (nexthop.n > 0)
		r->nexthop = arena_dup(m->arena, nexthop);
	else if (at)
		r->nexthop = at + 1;
	return r->transport && r->nexthop;
}

/* What would be done is all that is to be found out. */
static void
verify(struct message *m, size_t n, const struct route *r)
{
	int64_t now = service_wall();
	char text[1024];

	snprintf(text, sizeof(text), "delivers by %s to %s", r->transport,
	    r->nexthop[0] ? r->nexthop : "this machine");
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

static void
take(struct message *m, size_t n, const struct route *r, struct batch *b)
{
	if (m->body->m.envelope.flags & QUEUE_VERIFY)
		verify(m, n, r);
	else
		schedule(m, n, r, b);
}

/* By what its route says; or it has a verdict here and now. */
static void
send_by(struct message *m, size_t n, const struct route *r, struct batch *b)
{
	struct recipient *to = &m->body->rcpts[n];

	to->rcpt = r->rcpt;
	to->nexthop = r->nexthop;
	if (conf_list_has(qmgr.settings->defer_transports, r->transport))
		decide_here(m, n, QUEUE_DELAYED, "4.3.2", "deferred transport");
	else if (decide_built_in(m, n, r))
		;
	else if (strcmp(r->transport, "virtual") == 0) {
		if (find_mailbox(m, n, r))
			take(m, n, r, b);
	} else if (fleet_find(r->transport))
		take(m, n, r, b);
	else
		decide_unserved(m, n, r);
}

static void
route_one(struct message *m, size_t n, struct batch *b)
{
	struct recipient *to = &m->body->rcpts[n];
	struct route r;
	struct why why;

	to->open = true;
	to->passed = false;
	if (routing_resolve(qmgr.settings->routing, m->body->m.rcpts[n].addr,
		m->arena, &r, &why) != DICT_FOUND) {
		log_about(LOG_LEVEL_WARNING, m->id.text, "%s", why.text);
		decide_here(m, n, QUEUE_DELAYED, "4.3.0",
		    "address resolver failure");
		return;
	}
	if (!use_filter(m, &r)) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.0", "out of memory");
		return;
	}
	send_by(m, n, &r, b);
}

/* Each entry that was made holds the message. */
static void
end_batch(struct message *m, struct batch *b)
{
	for (struct link *l = b->jobs.next; l != &b->jobs; l = l->next)
		m->refs += container_of(l, struct job, in_batch)->entries;
	scheduler_end(b);
}

void
route_anew(struct message *m, size_t n, struct span transport, struct span rcpt)
{
	struct recipient *to = &m->body->rcpts[n];
	struct span rest = transport, name = span_cut(&rest, ':');
	struct route r = {
		.transport = arena_dup(m->arena, name),
		.nexthop = arena_dup(m->arena, rest),
		.rcpt = arena_dup(m->arena, rcpt),
	};
	struct span local, domain = { 0 };
	struct batch b;

	if (rest.n == 0 && address_cut(rcpt, &local, &domain))
		r.nexthop = arena_dup(m->arena, domain);
	if (to->passed || !r.transport || !r.nexthop || !r.rcpt) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.5",
		    "mail for local goes in a circle of transports");
		return;
	}
	to->passed = true;
	scheduler_begin(&qmgr.scheduler, &b, m,
	    m->body->m.envelope.arrived / 1000000);
	send_by(m, n, &r, &b);
	end_batch(m, &b);
}

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
	struct batch b;

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
	scheduler_begin(&qmgr.scheduler, &b, m, q->envelope.arrived / 1000000);
	for (size_t i = 0; i < q->n; i++)
		if (q->states[i].verdict == QUEUE_PENDING ||
		    q->states[i].verdict == QUEUE_DELAYED)
			route_one(m, i, &b);
	end_batch(m, &b);
	message_unref(m);
}

void
message_unref(struct message *m)
{
	must(m->refs > 0);
	if (--m->refs == 0)
		record_end(m, NULL, 0);
}
