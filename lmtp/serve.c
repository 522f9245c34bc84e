#include "lmtp/serve.h"

#include "lmtp/inbox.h"
#include "mail/received.h"
#include "mail/talk.h"
#include "net/addr.h"
#include "service/counters.h"
#include "service/service.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	IN_MAX = 4096,
	IN_DATA_MAX = 16384, /* while a mail comes in */
	OUT_MAX = 2 * LMTP_REPLY_MAX,
	LINE_MAX_LEN = 2048,
	TXN_LIMIT = 1 << 20, /* bytes of a transaction's addresses */
	ID_BYTES = 6,
};

/* All there is of a client; it lives on the stack of its task. */
struct client {
	const struct serve_config *config;
	struct talk talk;
	struct lmtp_session session;
	struct body body;
	int64_t arrived;
	char addr[ADDR_TEXT_MAX];
};

static struct talk_at
at(const struct client *c)
{
	return (struct talk_at){
		.verb = c->session.verb,
		.in_data = c->session.state == LMTP_DATA,
	};
}

/* Says how a wait for the client ended. True: there is nobody any more. */
static bool
is_over(struct client *c, enum stream_result r)
{
	switch (talk_ended(&c->talk, at(c), r)) {
	case TALK_GOES_ON:
		return false;
	case TALK_TOO_LONG:
		lmtp_overlong(&c->session);
		return false;
	case TALK_TIMEOUT:
		lmtp_timeout(&c->session);
		return false;
	case TALK_SHUTDOWN:
		lmtp_shutdown(&c->session);
		return false;
	case TALK_IS_OVER:
		break;
	}
	return true;
}

static bool
take_line(struct client *c)
{
	struct span line;
	enum stream_result r = stream_line(c->talk.stream, LINE_MAX_LEN,
	    STREAM_LF_TOO, talk_deadline(&c->talk), &line);

	if (r != STREAM_OK)
		return !is_over(c, r);
	lmtp_line(&c->session, line);
	return true;
}

static void
log_refusal(const struct client *c, struct span reply)
{
	const struct lmtp_session *s = &c->session;

	reply.n -= reply.n >= 2 ? 2 : reply.n;
	maillog_reject(&(struct log_reject){
	    .what = SPAN("reject"),
	    .verb = SPAN("RCPT"),
	    .client = c->talk.client,
	    .reply = reply,
	    .sender = s->sender,
	    .rcpt = s->checked,
	    .proto = SPAN("LMTP"),
	    .helo = span_str(s->helo),
	});
	counter_add(COUNTER_REJECTS, 1);
}

static void
ask_rcpt(struct client *c)
{
	const struct buf *out = &c->talk.stream->out;
	struct inbox ignored;
	enum lmtp_found found = inbox_find(c->session.checked, &ignored);
	size_t before = out->n;

	lmtp_rcpt(&c->session, found);
	if (found != LMTP_FOUND)
		log_refusal(c,
		    (struct span){ out->p + before, out->n - before });
}

static void
name_mail(struct client *c)
{
	unsigned char bytes[ID_BYTES];
	char *id = c->session.id;

	must(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02X", bytes[i]);
	c->arrived = service_wall();
}

/* RFC 5321, section 4.4: who takes a mail in says so. */
static void
put_received(struct client *c)
{
	const struct lmtp_session *s = &c->session;
	const struct received r = {
		.helo = span_str(s->helo),
		.client_name = c->talk.client.name,
		.client_addr = c->talk.client.addr,
		.host = span_str(s->config->myhostname),
		.mail_name = span_str(c->config->mail_name),
		.proto = SPAN("LMTP"),
		.rcpt = s->n == 1 ? s->rcpts->addr : SPAN(""),
		.time = c->arrived,
	};
	size_t max = (size_t)2 * RECEIVED_MAX;
	char *storage = zalloc(max);
	struct buf b;

	buf_init(&b, storage, max);
	received_put_head(&b, &r);
	buf_put(&b, span_str(s->id));
	received_put_tail(&b, &r);
	if (!b.overflow)
		body_put(&c->body, buf_span(&b));
	free(storage);
}

/* What follows the mail already may not fit: then it stays large. */
static void
size_input(struct client *c, size_t max)
{
	(void)!stream_resize(c->talk.stream, max, OUT_MAX);
}

static bool
take_data(struct client *c)
{
	struct dots d = { 0 };
	struct span piece;

	name_mail(c);
	c->talk.data_bytes = 0;
	body_init(&c->body);
	if (c->config->received)
		put_received(c);
	size_input(c, IN_DATA_MAX);
	while (!d.ended) {
		enum stream_result r = stream_data(c->talk.stream, &d,
		    talk_deadline(&c->talk), &piece);

		if (r != STREAM_OK) {
			body_fini(&c->body);
			return !is_over(c, r);
		}
		c->talk.data_bytes += piece.n;
		body_put(&c->body, piece);
	}
	size_input(c, IN_MAX);
	body_seal(&c->body);
	if (lmtp_data(&c->session, c->body.result) != LMTP_WANT_DELIVERY)
		body_fini(&c->body);
	return true;
}

static void
deliver(struct client *c)
{
	landing_run(&c->session, &c->body, &c->config->landing, c->arrived);
	body_fini(&c->body);
	for (const struct lmtp_rcpt *r = c->session.rcpts; r; r = r->next)
		if (r->outcome.sent) {
			counter_add(COUNTER_MESSAGES, 1);
			break;
		}
	lmtp_delivered(&c->session);
}

/* Does what the session wants until it, or the client, wants no more. */
static void
converse(struct client *c)
{
	while (talk_make_room(&c->talk, at(c), LMTP_REPLY_MAX))
		switch (c->session.want) {
		case LMTP_WANT_LINE:
			if (!take_line(c))
				return;
			break;
		case LMTP_WANT_RCPT:
			ask_rcpt(c);
			break;
		case LMTP_WANT_DATA:
			if (!take_data(c))
				return;
			break;
		case LMTP_WANT_DELIVERY:
			deliver(c);
			break;
		case LMTP_WANT_REPLY:
			lmtp_reply(&c->session);
			break;
		case LMTP_WANT_CLOSE:
			talk_goodbye(&c->talk, at(c), c->session.broken,
			    c->session.command == LMTP_CMD_QUIT);
			return;
		}
}

static void
log_end(const struct client *c)
{
	char text[256];
	struct buf counts;

	buf_init(&counts, text, sizeof(text));
	lmtp_put_counts(&c->session, &counts);
	maillog_disconnect(&c->talk.client, buf_span(&counts));
}

static void
log_begin(struct client *c, const struct sockaddr_storage *peer)
{
	bool is_local = peer->ss_family == AF_UNIX;
	struct addr a;
	struct buf b;

	buf_init(&b, c->addr, sizeof(c->addr) - 1);
	if (!is_local && addr_from_sockaddr((const struct sockaddr *)peer, &a))
		addr_put(&b, &a);
	else
		buf_put(&b, SPAN("unix"));
	c->addr[b.n] = '\0';
	c->talk.client = (struct log_client){
		.name = is_local ? SPAN("local") : SPAN("unknown"),
		.addr = span_str(c->addr),
		.connection = talk_name(),
	};
	maillog_connect(&c->talk.client);
}

void
serve_client(const struct serve_config *config, int fd,
    const struct sockaddr_storage *peer)
{
	struct stream *st CLEANUP(
	    stream_freep) = stream_new(fd, IN_MAX, OUT_MAX);
	struct arena *arena CLEANUP(arena_freep) = arena_new(TXN_LIMIT);
	struct client c = {
		.config = config,
		.talk = { .stream = st, .timeout = config->timeout },
		.body = { .fd = -1 },
	};

	log_begin(&c, peer);
	lmtp_init(&c.session, &config->session, arena, &st->out);
	converse(&c);
	body_fini(&c.body);
	log_end(&c);
}
