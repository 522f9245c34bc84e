/*
 * Each recipient gets its way: transport, next hop and mailbox, and so a place with
 * the scheduler; or a verdict here and now.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "mail/address.h"
#include "qmgr/fleet.h"
#include "service/service.h"

#include <stdio.h>

/*
 * Makes the transport known, with limits of its own, unless main.cf has wrong ones.
 * A thread may be reading the same configuration for new tables. May sleep.
 */
static void
make_transport(const char *name)
{
	struct transport_limits limits;
	struct why why;

	if (scheduler_find(&qmgr.scheduler, span_str(name)) ||
	    slots_take(&qmgr.looking, TASK_NEVER) != TASK_READY)
		return;
	if (settings_limits(qmgr.settings, name, &limits, &why) < 0)
		log_error("%s", why.text);
	else
		scheduler_transport(&qmgr.scheduler, span_str(name), &limits);
	slots_give(&qmgr.looking);
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

/* Tables may be asked of proxymap: meanwhile the settings may be replaced. */
static enum dict_result
resolve(struct message *m, struct span addr, struct route *route_r,
    struct why *why)
{
	struct settings *s = settings_hold(qmgr.settings);
	enum dict_result r = routing_resolve(s->routing, addr, m->arena,
	    route_r, why);

	settings_free(s);
	return r;
}

static enum dict_result
ask_tables(struct message *m, struct span rcpt, struct mailbox_place *place_r,
    struct why *why)
{
	struct settings *s = settings_hold(qmgr.settings);
	enum dict_result r = routing_mailbox(s->routing, rcpt, m->arena,
	    place_r, why);

	settings_free(s);
	return r;
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
	enum dict_result found = ask_tables(m, rcpt, place_r, why);

	if (found == DICT_ABSENT && tables_refresh())
		found = ask_tables(m, rcpt, place_r, why);
	if (found == DICT_ABSENT)
		found = authd_place(rcpt, m->arena, place_r, why);
	return found;
}

/* Finds the mailbox, or there is a verdict instead. */
static void
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
		return;
	case DICT_ABSENT:
		snprintf(text, sizeof(text), "unknown user: \"%.300s\"",
		    r->rcpt);
		decide_here(m, n, QUEUE_BOUNCED, "5.1.1", text);
		return;
	case DICT_TEMPFAIL:
		break;
	}
	log_about(LOG_LEVEL_WARNING, m->id.text, "%s", why.text);
	decide_here(m, n, QUEUE_DELAYED, "4.3.5",
	    "mail system configuration error");
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
schedule(struct message *m, size_t n, struct batch *b)
{
	struct transport *t = scheduler_find(&qmgr.scheduler,
	    span_str(m->body->rcpts[n].transport));
	struct destination *d;
	char name[768], text[512];
	struct span key;

	if (!t) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.5",
		    "mail system configuration error");
		return;
	}
	if (t->dead_until > service_wall() / 1000) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.0", t->reason);
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
	scheduler_add(b, t, key, (uint32_t)n,
	    delivery_rcpt_bytes(m, (uint32_t)n));
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

/* Finds its way, and may sleep for it. A verdict here and now leaves it closed. */
static void
find_way(struct message *m, size_t n, const struct route *r)
{
	struct recipient *to = &m->body->rcpts[n];

	to->rcpt = r->rcpt;
	to->nexthop = r->nexthop;
	to->transport = r->transport;
	if (conf_list_has(qmgr.settings->defer_transports, r->transport))
		decide_here(m, n, QUEUE_DELAYED, "4.3.2", "deferred transport");
	else if (decide_built_in(m, n, r))
		;
	else if (strcmp(r->transport, "virtual") == 0)
		find_mailbox(m, n, r);
	else if (!fleet_find(r->transport))
		decide_unserved(m, n, r);
	if (to->open)
		make_transport(r->transport);
}

static void
route_one(struct message *m, size_t n)
{
	struct recipient *to = &m->body->rcpts[n];
	struct route r;
	struct why why;

	to->open = true;
	to->passed = false;
	if (resolve(m, m->body->m.rcpts[n].addr, &r, &why) != DICT_FOUND) {
		log_about(LOG_LEVEL_WARNING, m->id.text, "%s", why.text);
		decide_here(m, n, QUEUE_DELAYED, "4.3.0",
		    "address resolver failure");
		return;
	}
	if (!use_filter(m, &r)) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.0", "out of memory");
		return;
	}
	find_way(m, n, &r);
}

/*
 * Those of [first, end) that have no verdict yet go to the scheduler. Nothing here
 * waits: an entry may be deferred as soon as it is there, and holds its message
 * only from the end on.
 */
static void
schedule_open(struct message *m, size_t first, size_t end)
{
	const struct queue_envelope *e = &m->body->m.envelope;
	struct batch b;

	scheduler_begin(&qmgr.scheduler, &b, m, e->arrived / 1000000);
	for (size_t i = first; i < end; i++) {
		const struct recipient *to = &m->body->rcpts[i];

		if (!to->open)
			continue;
		if (e->flags & QUEUE_VERIFY)
			decide_verified(m, i, to->transport, to->nexthop);
		else
			schedule(m, i, &b);
	}
	for (struct link *l = b.jobs.next; l != &b.jobs; l = l->next)
		m->refs += container_of(l, struct job, in_batch)->entries;
	scheduler_end(&b);
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

	if (rest.n == 0 && address_cut(rcpt, &local, &domain))
		r.nexthop = arena_dup(m->arena, domain);
	if (to->passed || !r.transport || !r.nexthop || !r.rcpt) {
		decide_here(m, n, QUEUE_DELAYED, "4.3.5",
		    "mail for local goes in a circle of transports");
		return;
	}
	to->passed = true;
	find_way(m, n, &r);
	schedule_open(m, n, n + 1);
}

void
route_open(struct message *m)
{
	const struct queue_message *q = &m->body->m;

	for (size_t i = 0; i < q->n; i++)
		if (q->states[i].verdict == QUEUE_PENDING ||
		    q->states[i].verdict == QUEUE_DELAYED)
			route_one(m, i);
	schedule_open(m, 0, q->n);
}
