#include "lookup/dnsd/client.h"

#include "base/log.h"
#include "net/channel.h"
#include "service/msg.h"
#include "service/resolver.h"
#include "task/task.h"

#include <stdlib.h>

enum {
	KEEP_MAX = 4 << 20, /* answers that a client does not read */
};

/* A daemon that asks. It lives until its last question is answered. */
struct client {
	struct channel *channel; /* NULL: it is gone */
	size_t holders;
};

struct question {
	struct client *client;
	uint32_t id;
};

static size_t questions; /* under way */

size_t
client_questions(void)
{
	return questions;
}

static void
release(struct client *c)
{
	if (--c->holders == 0)
		free(c);
}

static bool
put_records(struct buf *b, const struct resolved *r)
{
	for (size_t i = 0; i < r->n; i++)
		msg_put_str(b, MSG_FIELD_RDATA,
		    (struct span){ r->rdata[i], (size_t)r->rdata_n[i] });
	return !b->overflow;
}

static void
begin_answer(struct buf *b, char *packet, uint32_t id, enum dns_result result)
{
	buf_init(b, packet, MSG_MAX);
	msg_begin(b, MSG_RESOLVED, id);
	msg_put_u64(b, MSG_FIELD_STATUS, result);
}

static void
answer(const struct client *c, uint32_t id, const struct resolved *r)
{
	char *packet = zalloc(MSG_MAX);
	struct buf b;

	begin_answer(&b, packet, id, r->result);
	msg_put_opt(&b, MSG_FIELD_NAME, r->name);
	if (r->secure)
		msg_put_u64(&b, MSG_FIELD_SECURE, 1);
	msg_put_u64(&b, MSG_FIELD_TTL, r->ttl);
	if (r->text)
		msg_put_opt(&b, MSG_FIELD_TEXT, span_str(r->text));
	if (!put_records(&b, r)) {
		begin_answer(&b, packet, id, DNS_TEMPFAIL);
		msg_put_str(&b, MSG_FIELD_TEXT,
		    SPAN("the answer is too large"));
	}
	if (msg_end(&b, 0) && c->channel &&
	    !channel_send(c->channel, buf_span(&b), NULL, 0))
		log_debug("an answer is not taken");
	free(packet);
}

static void
answered(const struct resolved *r, void *arg)
{
	struct question *q = arg;

	answer(q->client, q->id, r);
	release(q->client);
	free(q);
	questions--;
}

static void
ask(struct client *c, const struct msg_in *in)
{
	static const struct resolved busy = {
		.result = DNS_TEMPFAIL,
		.text = "the resolver has too much to do",
	};
	struct question *q = zalloc(sizeof(*q));

	q->client = c;
	q->id = in->id;
	c->holders++;
	if (resolver_ask(msg_str(in, MSG_FIELD_NAME),
		(enum rdata_type)msg_u64(in, MSG_FIELD_KIND), answered, q)) {
		questions++;
		return;
	}
	answer(c, in->id, &busy);
	release(c);
	free(q);
}

void
client_serve(int fd)
{
	struct client *c = zalloc(sizeof(*c));
	int fds[SOCK_FDS_MAX];
	struct span packet;
	struct msg_in in;
	size_t n;

	c->holders = 1;
	c->channel = channel_new(fd, MSG_MAX, KEEP_MAX);
	while (channel_recv(c->channel, TASK_NEVER, &packet, fds, &n) ==
	    STREAM_OK) {
		while (n > 0)
			task_close(fds[--n]);
		if (!msg_read(packet, &in) || in.type != MSG_RESOLVE) {
			log_warning("a client said what is no question");
			break;
		}
		ask(c, &in);
	}
	c->channel = channel_free(c->channel);
	release(c);
}
