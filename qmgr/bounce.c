/*
 * Senders are told what became of their mail. What is to be told stands on record
 * before it is told, and that it was told after: so a crash in between tells it
 * twice, and never not at all. The reports are cleanup's work; while it is away
 * the message waits.
 */
#include "qmgr/qmgr.h"

#include "base/log.h"
#include "service/msg.h"
#include "service/report.h"
#include "service/rpc.h"
#include "service/service.h"

#include <unistd.h>

enum {
	UP_MS = 5 * 1000, /* cleanup may just be starting */
	ASK_TRIES = 3,
	ANSWER_MS = 60 * 1000,
	ANSWER_MAX = 1024,
	RCPTS_MAX = 256, /* in a report */
	RCPT_ROOM = 8 * 1024, /* what the longest takes of a packet */
	RELAY_MAX = 255,
};

static struct rpc *cleanup;

void
task_cleanup(void *arg)
{
	(void)arg;
	cleanup = rpc_new("cleanup", MSG_MAX);
	rpc_keep(cleanup, "private/cleanup");
}

static bool
is_late(const struct message *m)
{
	int64_t limit = qmgr.settings->delay_warning;

	return limit > 0 &&
	    service_wall() - m->body->m.envelope.arrived >= limit * 1000;
}

/*
 * Whether the sender wants to know of this attempt. What failed for good comes
 * back as ever, unless nothing was to be delivered.
 */
static bool
is_traced(const struct message *m, enum queue_verdict verdict)
{
	unsigned flags = m->body->m.envelope.flags;

	if (m->body->m.attempts > 0 || verdict == QUEUE_PENDING)
		return false;
	return flags & QUEUE_VERIFY ||
	    (flags & QUEUE_TRACE &&
		(verdict == QUEUE_SENT || verdict == QUEUE_DELAYED));
}

/* What the sender is to be told of a recipient now. */
static enum report_kind
kind_of(const struct message *m, size_t n)
{
	const struct queue_state *s = &m->body->m.states[n];
	unsigned notify = m->body->m.rcpts[n].notify;

	if (notify == 0)
		notify = QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY;
	if (s->told)
		return REPORT_NONE;
	if (is_traced(m, s->verdict))
		return REPORT_TRACE;
	switch (s->verdict) {
	case QUEUE_SENT:
		return notify & QUEUE_NOTIFY_SUCCESS ? REPORT_SUCCESS
						     : REPORT_NONE;
	case QUEUE_BOUNCED:
	case QUEUE_EXPIRED:
		return notify & QUEUE_NOTIFY_FAILURE ? REPORT_FAILURE
						     : REPORT_NONE;
	case QUEUE_DELAYED:
		return notify & QUEUE_NOTIFY_DELAY && is_late(m) ? REPORT_DELAY
								 : REPORT_NONE;
	case QUEUE_PENDING:
		break;
	}
	return REPORT_NONE;
}

/* Of the first recipient that there is something to tell of. */
static enum report_kind
next_kind(const struct message *m)
{
	enum report_kind kind = REPORT_NONE;

	for (size_t i = 0; i < m->body->m.n && kind == REPORT_NONE; i++)
		kind = kind_of(m, i);
	return kind;
}

bool
bounce_is_due(const struct message *m)
{
	return next_kind(m) != REPORT_NONE;
}

void
bounce_begin(struct message *m)
{
	list_append(&qmgr.untold, &m->in_line);
	bell_ring_one(&qmgr.tell);
}

/* A report that is asked for, and the recipients in it. */
struct asking {
	struct message *message;
	enum report_kind kind;
	int fd;
	size_t n;
	uint32_t rcpts[RCPTS_MAX];
};

/* Offloaded. */
static void
open_file(void *arg)
{
	struct asking *a = arg;

	a->fd = queue_file(qmgr.queue, a->message->place,
	    a->message->name.text);
}

static struct span
cut(struct span s, size_t max)
{
	return (struct span){ s.p, s.n < max ? s.n : max };
}

static void
put_rcpt(struct buf *b, const struct message *m, uint32_t n)
{
	const struct queue_rcpt *r = &m->body->m.rcpts[n];
	const struct queue_state *s = &m->body->m.states[n];
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	msg_put_u64(b, MSG_FIELD_N, n);
	msg_put_str(b, MSG_FIELD_ADDR, r->addr);
	msg_put_opt(b, MSG_FIELD_ORIG, r->orig);
	msg_put_opt(b, MSG_FIELD_ORCPT, r->orcpt);
	msg_put_opt(b, MSG_FIELD_DSN, s->dsn);
	msg_put_opt(b, MSG_FIELD_TEXT, cut(s->text, MSG_TEXT_MAX));
	msg_put_opt(b, MSG_FIELD_RELAY, cut(s->relay, RELAY_MAX));
	msg_group_end(b, group);
}

static void
put_request(struct buf *b, struct asking *a, uint32_t request)
{
	const struct message *m = a->message;
	const struct queue_message *q = &m->body->m;

	msg_begin(b, MSG_BOUNCE, request);
	msg_put_str(b, MSG_FIELD_ID, span_str(m->id.text));
	msg_put_str(b, MSG_FIELD_SENDER, q->envelope.sender);
	msg_put_u64(b, MSG_FIELD_REPORT, a->kind);
	msg_put_u64(b, MSG_FIELD_OFFSET, q->content_offset);
	msg_put_u64(b, MSG_FIELD_LENGTH, q->content_length);
	msg_put_u64(b, MSG_FIELD_ARRIVED, (uint64_t)q->envelope.arrived);
	msg_put_opt(b, MSG_FIELD_ENVID, q->envelope.envid);
	msg_put_u64(b, MSG_FIELD_RET, q->envelope.ret);
	msg_put_u64(b, MSG_FIELD_FLAGS, q->envelope.flags);
	for (size_t i = 0; i < q->n && a->n < RCPTS_MAX; i++) {
		if (kind_of(m, i) != a->kind)
			continue;
		if (buf_room(b) < RCPT_ROOM)
			break; /* the others in a report of their own */
		put_rcpt(b, m, (uint32_t)i);
		a->rcpts[a->n++] = (uint32_t)i;
	}
}

static enum rpc_result
ask_once(struct asking *a, struct rpc_call *call, char *answer, size_t max)
{
	static char packet[MSG_MAX];
	struct buf b;

	if (!rpc_wait(cleanup, task_after(UP_MS)))
		return RPC_AWAY;
	task_offload(TASK_DISK, open_file, a);
	if (a->fd < 0)
		return RPC_LOST;
	rpc_begin(cleanup, call, answer, max);
	buf_init(&b, packet,
	    sizeof(packet)); /* nobody waits until it is sent */
	put_request(&b, a, call->id);
	return rpc_ask_fds(cleanup, call, &b, &a->fd, 1, task_after(ANSWER_MS));
}

/* A cleanup that was replaced meanwhile has a successor to be asked. */
static enum rpc_result
ask(struct asking *a, struct rpc_call *call, char *answer, size_t max)
{
	enum rpc_result result = RPC_AWAY;

	for (int i = 0; i < ASK_TRIES && !service_stopping() &&
	     (result == RPC_AWAY || result == RPC_LOST);
	     i++) {
		a->n = 0;
		result = ask_once(a, call, answer, max);
	}
	return result;
}

/* False: not now. */
static bool
tell(struct message *m, enum report_kind kind)
{
	struct asking a = { .message = m, .kind = kind, .fd = -1 };
	char answer[ANSWER_MAX];
	struct rpc_call call;
	struct span text;

	if (ask(&a, &call, answer, sizeof(answer)) != RPC_ANSWERED) {
		if (!service_stopping())
			log_about(LOG_LEVEL_WARNING, m->id.text,
			    "the sender cannot be told what became of it: %s",
			    a.fd < -1 ? strerror(-a.fd)
				      : "cleanup gives no answer");
		return false;
	}
	if (call.in.type != MSG_BOUNCED) {
		text = call.in.type == MSG_TEMPFAIL
		    ? msg_str(&call.in, MSG_FIELD_TEXT)
		    : SPAN("cleanup's answer is not understood");
		log_about(LOG_LEVEL_WARNING, m->id.text,
		    "the sender cannot be told what became of it: %.*s",
		    (int)text.n, text.p);
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		m->body->m.states[a.rcpts[i]].told = true;
		m->body->rcpts[a.rcpts[i]].changed = true;
	}
	return a.n > 0;
}

static void
tell_all(struct message *m)
{
	enum report_kind kind = next_kind(m);

	while (kind != REPORT_NONE && tell(m, kind))
		kind = next_kind(m);
	if (kind == REPORT_NONE)
		record_end(m, NULL, 0);
	else
		record_wait(m);
}

void
task_bounce(void *arg)
{
	(void)arg;
	do
		while (!list_empty(&qmgr.untold) && !service_stopping()) {
			struct link *first = qmgr.untold.next;

			link_remove(first);
			tell_all(container_of(first, struct message, in_line));
		}
	while (bell_wait(&qmgr.tell, TASK_NEVER) == TASK_READY);
}
