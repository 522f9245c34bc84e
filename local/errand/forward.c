/*
 * As mail_owner: a message goes into the queue once more, to those that an alias
 * or a user's .forward names. Virtual aliases hold for them as for others.
 */
#include "local/errand/errand.h"

#include "base/clock.h"
#include "base/scan.h"
#include "mail/date.h"
#include "mail/rewrite.h"
#include "mail/routing.h"
#include "queue/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE = 64 << 10,
	WRITER_MAX = 256 << 10,
	RCPTS_MAX = 10000,
	MESSAGE_ID_MAX = 512,
};

/* What is read once, and again when a table was replaced. */
static struct {
	struct conf *conf;
	struct routing *routing;
	struct rewrite *rewrite;
	struct queue *queue;
	struct {
		const char *myhostname;
		const char *mail_name;
		bool long_ids;
	} p;
} self;

static const struct conf_field fields[] = {
	{ "myhostname", CONF_STR, offsetof(__typeof__(self.p), myhostname) },
	{ "mail_name", CONF_STR, offsetof(__typeof__(self.p), mail_name) },
	{ "enable_long_queue_ids", CONF_BOOL,
	    offsetof(__typeof__(self.p), long_ids) },
};

static int
prepare(const char *dir, struct why *why)
{
	if (self.routing && routing_changed(self.routing))
		self.routing = routing_close(self.routing);
	if (!self.conf) {
		self.conf = conf_load(dir, NULL, 0, why);
		if (!self.conf ||
		    conf_get_struct(self.conf, fields, COUNT_OF(fields),
			&self.p, why) < 0)
			return -EINVAL;
	}
	if (self.rewrite && rewrite_changed(self.rewrite))
		self.rewrite = rewrite_close(self.rewrite);
	if (!self.routing)
		self.routing = routing_open(self.conf, why);
	if (self.routing && !self.rewrite)
		self.rewrite = rewrite_open(self.conf, why);
	if (!self.routing || !self.rewrite)
		return -EINVAL;
	if (!self.queue)
		self.queue = queue_open(".", QUEUE_CREATE, self.p.long_ids,
		    why);
	return self.queue ? 0 : -EINVAL;
}

struct rcpts {
	struct queue_rcpt *v;
	size_t n;
};

static bool
add(struct rcpts *r, struct span addr, struct span orig)
{
	for (size_t i = 0; i < r->n; i++)
		if (span_ieq(r->v[i].addr, addr))
			return true;
	if (r->n == RCPTS_MAX)
		return false;
	r->v[r->n++] = (struct queue_rcpt){ .addr = addr, .orig = orig };
	return true;
}

static bool
expand(const struct errand *e, struct rcpts *r, struct why *why)
{
	struct span rest = e->in.fields, addr;
	const struct span *list;
	size_t n = 0;

	while (msg_next(&rest, MSG_FIELD_VALUE, &addr)) {
		bool good = true;

		if (rewrite_address(self.rewrite, REWRITE_ENVELOPE_RECIPIENT,
			true, addr, e->arena, &addr, why) == DICT_TEMPFAIL)
			return false;
		switch (routing_expand(self.routing, addr, e->arena, &list, &n,
		    why)) {
		case DICT_TEMPFAIL:
			return false;
		case DICT_ABSENT:
			good = add(r, addr, (struct span){ 0 });
			break;
		case DICT_FOUND:
			for (size_t i = 0; i < n && good; i++)
				good = add(r, list[i], addr);
			break;
		}
		if (!good) {
			why_set(why, E2BIG, NULL, 0, "too many recipients");
			return false;
		}
	}
	return r->n > 0;
}

static int
put(struct queue_writer *w, struct span s)
{
	int err = 0;

	if (queue_put(w, s))
		return 0;
	err = queue_flush(w);
	if (!err && !queue_put(w, s))
		err = -ENOMEM;
	return err;
}

static int
put_head(const struct errand *e, struct queue_writer *w, int64_t now)
{
	struct span addr = msg_str(&e->in, MSG_FIELD_ADDR);
	char text[2048];
	struct buf b;
	int err;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "Received: by %s (%s)\n\tid ", self.p.myhostname,
	    self.p.mail_name);
	err = put(w, buf_span(&b));
	if (!err && !queue_put_id(w))
		err = -ENOMEM;
	buf_init(&b, text, sizeof(text));
	buf_put(&b, SPAN("; "));
	date_put_header(&b, now);
	buf_put(&b, SPAN("\n"));
	if (msg_u64(&e->in, MSG_FIELD_FLAGS) & ERRAND_DELIVERED)
		buf_putf(&b, "Delivered-To: %.*s\n", (int)addr.n, addr.p);
	return err || b.overflow ? -EINVAL : put(w, buf_span(&b));
}

/* "message-id=" for the log, from the first piece. */
static void
find_message_id(struct span head, char *id, size_t max)
{
	id[0] = '\0';
	while (head.n > 0) {
		struct span line = span_cut(&head, '\n');

		if (line.n == 0)
			return;
		if (!take_text(&line, SPAN("Message-ID:")))
			continue;
		line = trim_white(line);
		snprintf(id, max, "%.*s",
		    (int)(line.n < max ? line.n : max - 1), line.p);
		return;
	}
}

static int
put_content(const struct errand *e, struct queue_writer *w, char *id)
{
	char *piece = zalloc(PIECE);
	uint64_t done = 0;
	uint32_t sum = 0;
	ssize_t n;
	int err = 0;

	while (
	    !err && (n = errand_content(e, &done, &sum, piece, PIECE)) != 0) {
		struct span s = { piece, n > 0 ? (size_t)n : 0 };

		if (n > 0 && done == s.n)
			find_message_id(s, id, MESSAGE_ID_MAX);
		err = n < 0 ? (int)n : put(w, s);
	}
	if (!err && !errand_is_whole(e, sum))
		err = -EBADMSG;
	free(piece);
	return err;
}

static int
write_message(const struct errand *e, const struct rcpts *to,
    struct queue_id *id_r, struct queue_name *name_r)
{
	struct queue_writer *w CLEANUP(
	    queue_writer_freep) = queue_writer_new(self.queue, WRITER_MAX);
	char message_id[MESSAGE_ID_MAX] = "";
	struct queue_envelope env = {
		.arrived = clock_wall(),
		.sender = msg_str(&e->in, MSG_FIELD_SENDER),
		.client_name = SPAN("localhost"),
		.client_addr = SPAN("127.0.0.1"),
		.proto = SPAN("SMTP"),
	};
	int err = put_head(e, w, env.arrived);

	if (!err)
		err = put_content(e, w, message_id);
	if (!err)
		err = queue_commit(w, &env, to->v, to->n, id_r, name_r);
	if (!err)
		maillog_message_id(span_str(id_r->text), span_str(message_id));
	return err;
}

void
errand_forward(const struct errand *e, const char *dir, struct errand_result *r)
{
	struct rcpts to = { .v = zalloc(RCPTS_MAX * sizeof(*to.v)) };
	struct queue_name name;
	struct queue_id id;
	struct why why = { "no recipients" };
	int err;

	if (prepare(dir, &why) < 0 || !expand(e, &to, &why)) {
		errand_fail(r, DELIVERY_DEFERRED, "4.3.5",
		    "unable to forward message: %s", why.text);
		free(to.v);
		return;
	}
	err = write_message(e, &to, &id, &name);
	free(to.v);
	if (err) {
		errand_fail(r, DELIVERY_DEFERRED, "4.3.0",
		    "unable to forward message: %s", strerror(-err));
		return;
	}
	errand_fail(r, DELIVERY_SENT, "2.0.0", "forwarded as %s", id.text);
	snprintf(r->id, sizeof(r->id), "%s", id.text);
	snprintf(r->file, sizeof(r->file), "%s", name.text);
}
