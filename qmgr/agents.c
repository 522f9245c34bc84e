/*
 * Workers of the broker's, each the owner of some mailboxes, and what they are
 * asked to deliver. A worker outlives a queue manager that crashed: the next one
 * gets a channel to it, and is told what it still has and what it has done.
 */
#include "qmgr/qmgr.h"

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
	KEEP_MAX = 4 * 1024 * 1024, /* bytes that wait for a worker's socket */
	ENOUGH = 8, /* deliveries of a worker before another is asked for */
	WORKERS_MAX = 16, /* of one owner */
};

/* An entry that a worker has. */
struct delivery {
	struct hash_link by_request;
	struct link in_worker;
	uint32_t request;
	struct entry *entry;
	struct worker *worker;
};

/* A message that a worker has had since before our time. */
struct running {
	struct hash_link by_id;
	struct queue_id id;
	struct worker *worker;
};

static struct {
	bool init;
	struct link workers;
	struct hash deliveries;
	struct hash running;
	uint32_t request; /* the last one's number */
} agents;

static struct span
request_key(struct hash_link *l)
{
	struct delivery *d = container_of(l, struct delivery, by_request);

	return (struct span){ (const char *)&d->request, sizeof(d->request) };
}

static struct span
running_key(struct hash_link *l)
{
	struct running *r = container_of(l, struct running, by_id);

	return span_str(r->id.text);
}

/* Numbers begin anywhere, so that those of a former life mean nothing now. */
static void
init(void)
{
	if (agents.init)
		return;
	agents.init = true;
	list_init(&agents.workers);
	hash_init(&agents.deliveries, request_key);
	hash_init(&agents.running, running_key);
	agents.request = (uint32_t)(clock_wall() * 2654435761U);
}

struct worker *
worker_ref(struct worker *w)
{
	w->refs++;
	return w;
}

void
worker_unref(struct worker *w)
{
	must(w->refs > 0);
	if (--w->refs > 0)
		return;
	channel_free(w->channel);
	free(w);
}

struct worker *
worker_find(uid_t uid, gid_t gid, unsigned slot)
{
	init();
	for (struct link *l = agents.workers.next; l != &agents.workers;
	     l = l->next) {
		struct worker *w = container_of(l, struct worker, in_all);

		if (w->uid == uid && w->gid == gid && w->slot == slot)
			return w;
	}
	return NULL;
}

struct worker *
worker_make(uid_t uid, gid_t gid, unsigned slot)
{
	struct worker *w = zalloc(sizeof(*w));

	init();
	*w = (struct worker){ .uid = uid, .gid = gid, .slot = slot, .refs = 1 };
	list_init(&w->deliveries);
	list_init(&w->pending);
	list_append(&agents.workers, &w->in_all);
	return w;
}

struct worker *
worker_next(struct worker *w)
{
	init();

	struct link *l = w ? w->in_all.next : agents.workers.next;

	return l == &agents.workers ? NULL
				    : container_of(l, struct worker, in_all);
}

/* What was handed to `w`, or waits for it. */
static unsigned
load_of(const struct worker *w)
{
	return w->under_way + w->waiting;
}

/* One that has little to do; another is asked for only when all have enough. */
static struct worker *
choose_worker(uid_t uid, gid_t gid)
{
	static long processors; /* sysconf() reads a file each time */
	int64_t max = qmgr.settings->workers;
	struct worker *best = NULL;

	if (processors == 0)
		processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (max <= 0)
		max = processors;
	if (max > WORKERS_MAX)
		max = WORKERS_MAX;
	for (unsigned slot = 0; slot < (unsigned)max; slot++) {
		struct worker *w = worker_find(uid, gid, slot);

		if (!w && best && load_of(best) < ENOUGH)
			break;
		if (!w)
			return worker_make(uid, gid, slot);
		if (!best || load_of(w) < load_of(best))
			best = w;
	}
	return best;
}

/* Requests. */

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
	msg_put_opt(b, MSG_FIELD_MAILBOX, span_str(to->path));
	msg_group_end(b, group);
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
	msg_put_opt(b, MSG_FIELD_ROOT, span_str(first->root));
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
static void retry(struct entry *e);

/* All that has no verdict yet gets this one; the entry is gone then. */
static void
give_up(struct entry *e, const char *dsn, const char *text)
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

/* False: the worker is gone, or the request does not fit. */
static bool
send_request(struct delivery *d, int fd)
{
	static char packet[MSG_MAX];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	if (put_request(&b, d))
		return channel_send(d->worker->channel, buf_span(&b), &fd, 1);
	close(fd);
	return false;
}

static void
begin_delivery(struct worker *w, struct entry *e, int fd)
{
	struct delivery *d = zalloc(sizeof(*d));

	*d = (struct delivery){
		.request = ++agents.request,
		.entry = e,
		.worker = w,
	};
	hash_add(&agents.deliveries, &d->by_request);
	list_append(&w->deliveries, &d->in_worker);
	w->under_way++;
	qmgr.under_way++;
	if (send_request(d, fd))
		return;
	end_delivery(d);
	give_up(e, "4.3.0", "mail transport unavailable");
}

/* To open the file may take a while, and `w` may be gone by then. */
static void
hand_over(struct worker *w, struct entry *e)
{
	int fd = take_file(e->message);

	if (fd < 0) {
		give_up(e, "4.3.0", "queue file cannot be opened");
	} else if (!w->channel) {
		close(fd);
		retry(e);
	} else {
		begin_delivery(w, e, fd);
	}
}

void
agent_deliver(struct entry *e)
{
	const struct message *m = e->message;
	const struct recipient *to = &m->body->rcpts[e->rcpts[0]];
	struct worker *w = choose_worker(to->uid, to->gid);

	if (w->channel) {
		worker_ref(w);
		hand_over(w, e);
		worker_unref(w);
		return;
	}
	w->waiting++;
	list_append(&w->pending, &e->in_use);
	broker_ask(w);
}

/* Results. */

static void
end_delivery(struct delivery *d)
{
	hash_remove(&agents.deliveries, &d->by_request);
	link_remove(&d->in_worker);
	d->worker->under_way--;
	qmgr.under_way--;
	bell_ring(&qmgr.idle);
	free(d);
}

static struct delivery *
find_delivery(struct worker *w, const struct msg_in *in)
{
	struct hash_link *l = hash_find(&agents.deliveries,
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
		message_decide(m, n, verdict_of(msg_u64(&r, MSG_FIELD_STATUS)),
		    msg_str(&r, MSG_FIELD_DSN), msg_str(in, MSG_FIELD_RELAY),
		    msg_str(&r, MSG_FIELD_TEXT),
		    (int64_t)msg_u64(in, MSG_FIELD_TIME_ENDED));
	}
	for (size_t i = 0; i < e->n; i++)
		if (m->body->rcpts[e->rcpts[i]].open)
			decide_here(m, e->rcpts[i], QUEUE_DELAYED, "4.3.0",
			    "the delivery agent gave no answer");
}

void
defer_waiting(struct destination *d)
{
	char text[512];
	struct entry *e;

	snprintf(text, sizeof(text), "delivery temporarily suspended: %s",
	    d->reason);
	while ((e = scheduler_take_waiting(&qmgr.scheduler, d))) {
		struct message *m = e->message;

		for (size_t i = 0; i < e->n; i++)
			decide_here(m, e->rcpts[i], QUEUE_DELAYED, "4.4.1",
			    text);
		scheduler_drop(&qmgr.scheduler, e);
		message_unref(m);
	}
}

static void
take_result(struct worker *w, const struct msg_in *in)
{
	struct delivery *d = find_delivery(w, in);
	struct span reason = msg_str(in, MSG_FIELD_DEAD_HOST);
	char dead[256];

	if (!d) {
		record_orphan(in, w);
		return;
	}

	struct entry *e = d->entry;
	struct message *m = e->message;
	struct destination *to = e->to;

	end_delivery(d);
	take_verdicts(e, in);
	snprintf(dead, sizeof(dead), "%.*s", (int)(reason.n & 0xff), reason.p);
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

/* Former lives. */

static struct running *
find_running(const char *id)
{
	init();

	struct hash_link *l = hash_find(&agents.running, span_str(id));

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
		hash_remove(&agents.running, &r->by_id);
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

static void
take_hello(struct worker *w, const struct msg_in *in)
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
		hash_add(&agents.running, &r->by_id);
	}
	broker_greeted();
}

/* The worker is gone: what it had from before our time is to be tried again. */
static void
end_running(const struct worker *w)
{
	struct hash_link *l = hash_next(&agents.running, NULL);

	while (l) {
		struct running *r = container_of(l, struct running, by_id);
		struct queue_id id = r->id;
		bool its = r->worker == w;

		if (its)
			agent_has_ended(id.text);
		l = its ? hash_next(&agents.running, NULL)
			: hash_next(&agents.running, l);
	}
}

/* Life of a worker's channel. */

static void
take_message(struct worker *w, struct span packet)
{
	struct msg_in in;

	if (!msg_read(packet, &in))
		log_warning("deliver[%d] speaks another protocol", (int)w->pid);
	else if (in.type == MSG_RESULT)
		take_result(w, &in);
	else if (in.type == MSG_HELLO)
		take_hello(w, &in);
}

static void
retry(struct entry *e)
{
	if (++e->tries < AGENT_TRIES)
		scheduler_again(&qmgr.scheduler, e, service_wall() / 1000000);
	else
		give_up(e, "4.3.0", "the delivery agent ended too often");
}

static void
take_back_pending(struct worker *w)
{
	while (!list_empty(&w->pending)) {
		struct entry *e = container_of(w->pending.next, struct entry,
		    in_use);

		link_remove(&e->in_use);
		w->waiting--;
		retry(e);
	}
}

static void
worker_gone(struct worker *w)
{
	struct link left;

	link_remove(&w->in_all);
	w->channel = channel_free(w->channel);
	if (!list_empty(&w->deliveries))
		log_warning("deliver[%d] ended in the midst of %u deliveries",
		    (int)w->pid, w->under_way);
	take_back_pending(w);
	list_take_all(&left, &w->deliveries);
	while (!list_empty(&left)) {
		struct delivery *d = container_of(left.next, struct delivery,
		    in_worker);
		struct entry *e = d->entry;

		end_delivery(d);
		retry(e);
	}
	end_running(w);
	bell_ring_one(&qmgr.dispatch);
	broker_greeted();
}

/* The task of a worker. */
static void
serve_worker(void *arg)
{
	struct worker *w = arg;
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	while (channel_recv(w->channel, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		while (n > 0)
			close(fds[--n]); /* workers have none to give */
		take_message(w, packet);
	}
	worker_gone(w);
	worker_unref(w);
}

void
worker_start(struct worker *w, int fd, pid_t pid)
{
	if (w->channel) { /* a second one for the same place: not asked for */
		close(fd);
		return;
	}
	w->channel = channel_new(fd, MSG_MAX, KEEP_MAX);
	w->pid = pid;
	if (!task_spawn(serve_worker, w, "deliver %d", (int)pid)) {
		w->channel = channel_free(w->channel);
		return;
	}
	worker_ref(w);
	while (!list_empty(&w->pending)) {
		struct entry *e = container_of(w->pending.next, struct entry,
		    in_use);

		link_remove(&e->in_use);
		w->waiting--;
		hand_over(w, e);
	}
	worker_unref(w);
}

void
worker_refused(struct worker *w, const char *text)
{
	while (!list_empty(&w->pending)) {
		struct entry *e = container_of(w->pending.next, struct entry,
		    in_use);

		link_remove(&e->in_use);
		w->waiting--;
		give_up(e, "4.3.0", text);
	}
	link_remove(&w->in_all);
	worker_unref(w);
}

/* Acknowledgements, many in one packet. */

void
worker_ack(struct worker *w, uint32_t request)
{
	if (w->acks_n < COUNT_OF(w->acks))
		w->acks[w->acks_n++] = request;
}

void
workers_send_acks(void)
{
	char packet[2048];

	init();
	for (struct worker *w = worker_next(NULL); w; w = worker_next(w)) {
		struct buf b;

		if (w->acks_n == 0 || !w->channel)
			continue;
		buf_init(&b, packet, sizeof(packet));
		msg_begin(&b, MSG_ACK, 0);
		for (size_t i = 0; i < w->acks_n; i++)
			msg_put_u64(&b, MSG_FIELD_N, w->acks[i]);
		w->acks_n = 0;
		if (!msg_end(&b, 0) ||
		    !channel_send(w->channel, buf_span(&b), NULL, 0))
			log_debug("deliver[%d] is gone", (int)w->pid);
	}
}
