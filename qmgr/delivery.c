/*
 * Entries become requests to workers, and their results verdicts. What a worker
 * has is known here by the number of its request, until it has answered or gone.
 */
#include "qmgr/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/maillog.h"
#include "service/msg.h"
#include "service/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PASSED = UINT32_MAX, /* a recipient that has gone to another entry */
};

/* An entry that a worker has. */
struct delivery {
	struct hash_link by_request;
	struct link in_worker;
	uint32_t request;
	struct entry *entry;
	struct worker *worker;
};

static struct hash all; /* by request */
static uint32_t last_request;

static struct span
request_key(struct hash_link *l)
{
	struct delivery *d = container_of(l, struct delivery, by_request);

	return (struct span){ (const char *)&d->request, sizeof(d->request) };
}

/* Numbers begin anywhere, so that those of a former life mean nothing now. */
static void
init(void)
{
	if (all.key)
		return;
	hash_init(&all, request_key);
	last_request = (uint32_t)(clock_wall() * 2654435761U);
}

static void
put_rcpt(struct buf *b, const struct message *m, uint32_t n)
{
	const struct queue_rcpt *r = &m->body->m.rcpts[n];
	const struct recipient *to = &m->body->rcpts[n];
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	msg_put_u64(b, MSG_FIELD_N, n);
	msg_put_str(b, MSG_FIELD_ADDR, span_str(to->rcpt));
	msg_put_opt(b, MSG_FIELD_ORIG, r->orig);
	msg_put_opt(b, MSG_FIELD_ORCPT, r->orcpt);
	if (r->notify)
		msg_put_u64(b, MSG_FIELD_NOTIFY, r->notify);
	if (to->path)
		msg_put_opt(b, MSG_FIELD_MAILBOX, span_str(to->path));
	msg_group_end(b, group);
}

size_t
delivery_rcpt_bytes(const struct message *m, uint32_t n)
{
	static char storage[MSG_MAX];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	put_rcpt(&b, m, n);
	return b.overflow ? sizeof(storage) : b.n;
}

static void
put_envelope(struct buf *b, const struct message *m)
{
	const struct queue_message *q = &m->body->m;
	const struct queue_envelope *e = &q->envelope;

	msg_put_str(b, MSG_FIELD_ID, span_str(m->id.text));
	msg_put_str(b, MSG_FIELD_SENDER, e->sender);
	msg_put_u64(b, MSG_FIELD_OFFSET, q->content_offset);
	msg_put_u64(b, MSG_FIELD_LENGTH, q->content_length);
	msg_put_u64(b, MSG_FIELD_CHECKSUM, q->content_checksum);
	msg_put_u64(b, MSG_FIELD_ARRIVED, (uint64_t)e->arrived);
	msg_put_u64(b, MSG_FIELD_TIME_BEGUN, (uint64_t)m->body->activated);
	msg_put_u64(b, MSG_FIELD_FLAGS, e->flags);
	msg_put_opt(b, MSG_FIELD_CLIENT_NAME, e->client_name);
	msg_put_opt(b, MSG_FIELD_CLIENT_ADDR, e->client_addr);
	msg_put_opt(b, MSG_FIELD_PROTO, e->proto);
	msg_put_opt(b, MSG_FIELD_HELO, e->helo);
	msg_put_opt(b, MSG_FIELD_SASL_METHOD, e->sasl_method);
	msg_put_opt(b, MSG_FIELD_SASL_USER, e->sasl_user);
	msg_put_opt(b, MSG_FIELD_ENVID, e->envid);
	if (e->ret)
		msg_put_u64(b, MSG_FIELD_RET, e->ret);
	if (qmgr.settings->virtual_limit > 0)
		msg_put_u64(b, MSG_FIELD_MAX_SIZE,
		    (uint64_t)qmgr.settings->virtual_limit);
}

static bool
put_request(struct buf *b, const struct delivery *d)
{
	const struct entry *e = d->entry;
	const struct message *m = e->message;
	const struct recipient *first = &m->body->rcpts[e->rcpts[0]];

	msg_begin(b, MSG_DELIVER, d->request);
	put_envelope(b, m);
	msg_put_str(b, MSG_FIELD_NEXTHOP, span_str(first->nexthop));
	if (first->root)
		msg_put_opt(b, MSG_FIELD_ROOT, span_str(first->root));
	if (e->to->todo > 0)
		msg_put_u64(b, MSG_FIELD_REUSE, 1);
	for (size_t i = 0; i < e->n; i++)
		put_rcpt(b, m, e->rcpts[i]);
	return msg_end(b, 1);
}

/* Offloaded. */
struct opening {
	const struct message *message;
	int fd;
};

static void
open_file(void *arg)
{
	struct opening *o = arg;

	o->fd = queue_file(qmgr.queue, o->message->place,
	    o->message->name.text);
}

/* A descriptor to give away: the last delivery gets the one we have. */
static int
take_file(struct message *m)
{
	struct opening o = { .message = m };

	if (m->body->fd < 0) {
		task_offload(TASK_DISK, open_file, &o);
		return o.fd;
	}
	if (m->refs > 1)
		return fcntl(m->body->fd, F_DUPFD_CLOEXEC, 0);
	o.fd = m->body->fd;
	m->body->fd = -1;
	qmgr.fds--;
	return o.fd;
}

static void end_delivery(struct delivery *d);

/* All that has no verdict yet gets this one; the entry is gone then. */
void
delivery_give_up(struct entry *e, const char *dsn, const char *text)
{
	struct message *m = e->message;

	for (size_t i = 0; i < e->n; i++)
		if (m->body->rcpts[e->rcpts[i]].open)
			decide_here(m, e->rcpts[i], QUEUE_DELAYED, dsn, text);
	/* Without a reason nothing dies. */
	must(!scheduler_done(&qmgr.scheduler, e, NULL, service_wall() / 1000));
	message_unref(m);
	bell_ring_one(&qmgr.dispatch);
}

enum sent {
	SENT,
	TOO_LONG, /* the request, for any worker */
	FULL, /* the channel has more than enough to send */
	GONE, /* the worker */
};

static enum sent
send_request(struct delivery *d, int fd)
{
	static char packet[MSG_MAX];
	struct channel *ch = d->worker->channel;
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	if (!put_request(&b, d)) {
		close(fd);
		return TOO_LONG;
	}
	if (channel_send(ch, buf_span(&b), &fd, 1))
		return SENT;
	return channel_is_open(ch) ? FULL : GONE;
}

static struct delivery *
make_delivery(struct worker *w, struct entry *e)
{
	struct delivery *d = zalloc(sizeof(*d));

	init();
	*d = (struct delivery){
		.request = ++last_request,
		.entry = e,
		.worker = w,
	};
	hash_add(&all, &d->by_request);
	list_append(&w->deliveries, &d->in_worker);
	w->under_way++;
	qmgr.under_way++;
	return d;
}

static void
begin_delivery(struct worker *w, struct entry *e, int fd)
{
	struct delivery *d = make_delivery(w, e);
	enum sent sent = send_request(d, fd);

	if (sent == SENT)
		return;
	end_delivery(d);
	switch (sent) {
	case SENT:
		break;
	case TOO_LONG:
		delivery_give_up(e, "4.3.0",
		    "the envelope is too long for a delivery agent");
		break;
	case FULL: /* handed over once the worker has answered something */
		worker_postpone(w, e);
		break;
	case GONE:
		/* It ended just now, as one that was idle: another is asked. */
		link_remove(&w->in_all);
		delivery_retry(e);
		break;
	}
}

/* To open the file may take a while, and `w` may be gone by then. */
void
delivery_hand_over(struct worker *w, struct entry *e)
{
	int fd = take_file(e->message);

	if (fd < 0) {
		delivery_give_up(e, "4.3.0", "queue file cannot be opened");
	} else if (!w->channel || w->spare) {
		close(fd);
		delivery_retry(e);
	} else {
		begin_delivery(w, e, fd);
	}
}

static void
end_delivery(struct delivery *d)
{
	hash_remove(&all, &d->by_request);
	link_remove(&d->in_worker);
	d->worker->under_way--;
	qmgr.under_way--;
	bell_ring(&qmgr.idle);
	free(d);
}

static struct delivery *
find_delivery(struct worker *w, const struct msg_in *in)
{
	init();

	struct hash_link *l = hash_find(&all,
	    (struct span){ (const char *)&in->id, sizeof(in->id) });
	struct delivery *d = l ? container_of(l, struct delivery, by_request)
			       : NULL;
	struct span id = msg_str(in, MSG_FIELD_ID);
	const struct message *m = d ? d->entry->message : NULL;

	if (!d || d->worker != w || strlen(m->id.text) != id.n ||
	    memcmp(m->id.text, id.p, id.n) != 0)
		return NULL;
	return d;
}

static enum queue_verdict
verdict_of(uint64_t status)
{
	if (status == DELIVERY_SENT)
		return QUEUE_SENT;
	return status == DELIVERY_BOUNCED ? QUEUE_BOUNCED : QUEUE_DELAYED;
}

/* A worker may speak only of recipients that it was given. */
static bool
is_of(const struct entry *e, uint64_t n)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->rcpts[i] == n)
			return true;
	return false;
}

/* Another server has promised to tell the sender (RFC 3461, section 5.2.2). */
static bool
is_told_elsewhere(const struct msg_in *rcpt)
{
	return msg_u64(rcpt, MSG_FIELD_NOTIFY) & QUEUE_NOTIFY_NEVER &&
	    verdict_of(msg_u64(rcpt, MSG_FIELD_STATUS)) == QUEUE_SENT;
}

/* It leaves this entry, and has another by now, or a verdict. */
static void
pass(struct entry *e, uint32_t n, const struct msg_in *r)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->rcpts[i] == n)
			e->rcpts[i] = PASSED;
	route_anew(e->message, n, msg_str(r, MSG_FIELD_TRANSPORT),
	    msg_str(r, MSG_FIELD_ADDR));
}

static void
take_verdicts(struct entry *e, const struct msg_in *in)
{
	struct message *m = e->message;
	struct span rest = in->fields;
	struct msg_in r;

	while (msg_next_group(&rest, MSG_FIELD_RCPT, &r)) {
		uint64_t n = msg_u64(&r, MSG_FIELD_N);

		if (!is_of(e, n))
			continue;
		if (msg_has(&r, MSG_FIELD_TRANSPORT)) {
			pass(e, (uint32_t)n, &r);
			continue;
		}
		enum queue_verdict v = verdict_of(
		    msg_u64(&r, MSG_FIELD_STATUS));

		count_verdict(v);
		message_decide(m, n, v, msg_str(&r, MSG_FIELD_DSN),
		    msg_str(in, MSG_FIELD_RELAY), msg_str(&r, MSG_FIELD_TEXT),
		    (int64_t)msg_u64(in, MSG_FIELD_TIME_ENDED));
		m->body->m.states[n].told |= is_told_elsewhere(&r);
		m->body->corrupt |= span_eq(msg_str(&r, MSG_FIELD_STATE),
		    SPAN("corrupt"));
	}
	for (size_t i = 0; i < e->n; i++)
		if (e->rcpts[i] != PASSED && m->body->rcpts[e->rcpts[i]].open)
			decide_here(m, e->rcpts[i], QUEUE_DELAYED, "4.3.0",
			    "the delivery agent gave no answer");
}

static void
defer_all(struct destination *d, const char *dsn, const char *text)
{
	struct entry *e;

	while ((e = scheduler_take_waiting(&qmgr.scheduler, d))) {
		struct message *m = e->message;

		for (size_t i = 0; i < e->n; i++)
			decide_here(m, e->rcpts[i], QUEUE_DELAYED, dsn, text);
		scheduler_drop(&qmgr.scheduler, e);
		message_unref(m);
	}
}

void
defer_waiting(struct destination *d)
{
	char text[512];

	snprintf(text, sizeof(text), "delivery temporarily suspended: %s",
	    d->reason);
	defer_all(d, "4.4.1", text);
}

void
delivery_suspend(struct entry *e, const char *text)
{
	struct transport *t = e->to->transport;
	struct hash_link *l = NULL;

	delivery_give_up(e, "4.3.0", text);
	transport_suspend(t, text,
	    service_wall() / 1000 + qmgr.settings->transport_retry);
	while ((l = hash_next(&t->destinations, l)))
		defer_all(container_of(l, struct destination, link), "4.3.0",
		    text);
}

void
delivery_take_result(struct worker *w, const struct msg_in *in)
{
	struct delivery *d = find_delivery(w, in);
	struct span reason = msg_str(in, MSG_FIELD_DEAD_HOST);
	char dead[256];

	if (!d && former_has(w, msg_str(in, MSG_FIELD_ID))) {
		record_orphan(in, w);
		return;
	}
	if (!d) {
		log_warning("%s[%d] tells of a delivery that it does not have",
		    worker_name(w), (int)w->pid);
		return;
	}

	struct entry *e = d->entry;
	struct message *m = e->message;
	struct destination *to = e->to;

	end_delivery(d);
	take_verdicts(e, in);
	snprintf(dead, sizeof(dead), "%.*s",
	    (int)(reason.n < sizeof(dead) ? reason.n : sizeof(dead)), reason.p);
	if (scheduler_done(&qmgr.scheduler, e, reason.n ? dead : NULL,
		service_wall() / 1000))
		defer_waiting(to);
	if (m->refs > 1) {
		record_states(m, w, in->id);
		message_unref(m);
	} else {
		m->refs = 0;
		record_end(m, w, in->id);
	}
	bell_ring_one(&qmgr.dispatch);
}

void
delivery_retry(struct entry *e)
{
	if (++e->tries < AGENT_TRIES)
		scheduler_again(&qmgr.scheduler, e, service_wall() / 1000000);
	else
		delivery_give_up(e, "4.3.0",
		    "the delivery agent ended too often");
}

void
delivery_retry_all(struct worker *w)
{
	struct link left;

	list_take_all(&left, &w->deliveries);
	while (!list_empty(&left)) {
		struct delivery *d = container_of(left.next, struct delivery,
		    in_worker);
		struct entry *e = d->entry;

		end_delivery(d);
		delivery_retry(e);
	}
}
