#include "lmtp/landing.h"

#include "lmtp/inbox.h"
#include "mail/maillog.h"
#include "service/service.h"

#include <stdlib.h>

enum {
	TOGETHER_MAX = 24, /* recipients of a request: they fit a packet */
	ANSWER_HEAD = 512,
	ANSWER_RCPT = 1280, /* an address and a reason */
};

/* A recipient on his way. */
struct stop {
	struct lmtp_rcpt *rcpt;
	struct inbox inbox;
	bool is_ready; /* ->inbox is there, and was not put to yet */
};

struct landing {
	struct lmtp_session *session;
	const struct body *body;
	const struct landing_config *config;
	int64_t arrived;
	size_t n;
	struct stop *stops;

	/* Those of this request. */
	size_t now_n;
	size_t now[TOGETHER_MAX];
};

static void
log_failure(const struct landing *l, const struct lmtp_rcpt *r, bool is_final,
    const char *dsn, const char *text)
{
	int64_t now = service_wall();

	maillog_delivery(&(struct log_delivery){
	    .service = "lmtpd",
	    .id = span_str(l->session->id),
	    .to = r->addr,
	    .orig_to = r->addr,
	    .relay = SPAN("none"),
	    .arrived = l->arrived,
	    .active = l->arrived,
	    .begun = now,
	    .connected = now,
	    .ended = now,
	    .dsn = span_str(dsn),
	    .status = is_final ? DELIVERY_BOUNCED : DELIVERY_DEFERRED,
	    .text = span_str(text),
	});
}

static void
find_inbox(struct landing *l, struct stop *to)
{
	struct lmtp_rcpt *r = to->rcpt;

	switch (inbox_find(r->addr, &to->inbox)) {
	case LMTP_FOUND:
		to->is_ready = true;
		break;
	case LMTP_UNKNOWN: /* since RCPT */
		r->outcome.dsn = SPAN("5.1.1");
		r->outcome.text = SPAN("User doesn't exist");
		log_failure(l, r, true, "5.1.1", "user doesn't exist");
		break;
	case LMTP_TEMPFAIL:
		log_failure(l, r, false, "4.3.0",
		    "the mailbox could not be found out");
		break;
	}
}

/* The first that is left, and those that go with it. False: none is left. */
static bool
gather(struct landing *l)
{
	const struct inbox *first = NULL;

	l->now_n = 0;
	for (size_t i = 0; i < l->n && l->now_n < TOGETHER_MAX; i++) {
		struct stop *s = &l->stops[i];

		if (!s->is_ready ||
		    (first &&
			(s->inbox.pid != first->pid ||
			    s->inbox.tree != first->tree)))
			continue;
		if (!first)
			first = &s->inbox;
		s->is_ready = false;
		l->now[l->now_n++] = i;
	}
	return l->now_n > 0;
}

static void
put_request(struct buf *b, uint32_t id, const void *arg)
{
	const struct landing *l = arg;

	msg_begin(b, MSG_PUT, id);
	msg_put_str(b, MSG_FIELD_ID, span_str(l->session->id));
	msg_put_str(b, MSG_FIELD_SENDER, l->session->sender);
	msg_put_u64(b, MSG_FIELD_LENGTH, l->body->length);
	msg_put_u64(b, MSG_FIELD_CHECKSUM, l->body->checksum);
	msg_put_u64(b, MSG_FIELD_ARRIVED, (uint64_t)l->arrived);
	if (l->config->mailbox_limit)
		msg_put_u64(b, MSG_FIELD_MAX_SIZE, l->config->mailbox_limit);
	for (size_t i = 0; i < l->now_n; i++) {
		const struct stop *s = &l->stops[l->now[i]];
		size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

		msg_put_u64(b, MSG_FIELD_N, l->now[i]);
		msg_put_str(b, MSG_FIELD_ADDR, s->rcpt->addr);
		msg_put_str(b, MSG_FIELD_TOKEN,
		    (struct span){ s->inbox.token, INBOX_TOKEN });
		msg_group_end(b, group);
	}
}

static bool
is_of_now(const struct landing *l, uint64_t n)
{
	for (size_t i = 0; i < l->now_n; i++)
		if (l->now[i] == n)
			return true;
	return false;
}

/* A copy in the transaction's memory, or nothing. */
static struct span
keep(const struct landing *l, struct span s)
{
	const char *p = arena_dup(l->session->arena, s);

	return p ? (struct span){ p, s.n } : SPAN("");
}

static void
take_outcome(struct landing *l, const struct msg_in *group)
{
	uint64_t n = msg_u64(group, MSG_FIELD_N);
	struct lmtp_outcome *o;

	if (!is_of_now(l, n))
		return;
	o = &l->stops[n].rcpt->outcome;
	o->sent = msg_has(group, MSG_FIELD_STATUS) &&
	    msg_u64(group, MSG_FIELD_STATUS) == DELIVERY_SENT;
	o->dsn = keep(l, msg_str(group, MSG_FIELD_DSN));
	o->text = keep(l, msg_str(group, MSG_FIELD_TEXT));
}

static void
take_result(struct landing *l, const struct msg_in *in)
{
	struct span rest = in->fields;
	struct msg_in group;

	if (in->type != MSG_RESULT)
		return;
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &group))
		take_outcome(l, &group);
}

static const char *
reason(enum rpc_result r)
{
	return r == RPC_TIMEOUT ? "who delivers does not answer"
	    : r == RPC_LOST     ? "who delivers has ended"
				: "who delivers is away";
}

static void
put_together(struct landing *l)
{
	size_t max = ANSWER_HEAD + l->now_n * ANSWER_RCPT;
	char *storage = zalloc(max);
	enum rpc_result r;
	struct rpc_call call;
	struct buf answer;

	buf_init(&answer, storage, max);
	r = inbox_put(&l->stops[l->now[0]].inbox, &call, &answer, put_request,
	    l, l->body->fd);
	if (r == RPC_ANSWERED)
		take_result(l, &call.in);
	else
		for (size_t i = 0; i < l->now_n; i++)
			log_failure(l, l->stops[l->now[i]].rcpt, false, "4.3.0",
			    reason(r));
	free(storage);
}

void
landing_run(struct lmtp_session *s, const struct body *b,
    const struct landing_config *config, int64_t arrived)
{
	struct landing l = {
		.session = s,
		.body = b,
		.config = config,
		.arrived = arrived,
		.n = s->n,
		.stops = arena_alloc(s->arena, s->n * sizeof(*l.stops)),
	};
	struct lmtp_rcpt *r = s->rcpts;

	if (!l.stops)
		return; /* all are put off */
	for (size_t i = 0; i < l.n; i++, r = r->next) {
		l.stops[i].rcpt = r;
		find_inbox(&l, &l.stops[i]);
	}
	while (gather(&l))
		put_together(&l);
}
