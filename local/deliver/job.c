#include "local/deliver/job.h"

#include "mail/maillog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	TEXT_MAX = 640, /* a reason, with what we say before it */
};

/* What is told of a recipient. */
struct outcome {
	enum delivery_status status;
	const char *dsn;
	struct span state; /* "corrupt": the queue file is at fault */
	char text[TEXT_MAX];
};

struct job *
job_free(struct job *j)
{
	if (!j)
		return NULL;
	if (j->content.fd >= 0)
		close(j->content.fd);
	arena_free(j->arena);
	free(j);
	return NULL;
}

/* A copy in the job's memory; an empty one if there is no room. */
static struct span
keep(struct job *j, struct span s)
{
	const char *p = arena_dup(j->arena, s);

	return p ? (struct span){ p, s.n } : SPAN("");
}

static void
put_line(struct buf *b, struct span name, struct span value, struct span end)
{
	buf_put(b, name);
	size_t at = b->n;
	buf_put(b, value);
	for (size_t i = at; i < b->n; i++)
		if (b->p[i] == '\r' || b->p[i] == '\n' || b->p[i] == '\0')
			b->p[i] = '?';
	buf_put(b, end);
}

/* The three lines that virtual(8) writes, in its order. */
static struct span
make_head(struct job *j, struct span sender, const struct job_rcpt *r)
{
	size_t max = sender.n + r->orig.n + r->addr.n + 64;
	char *storage = arena_alloc(j->arena, max);
	struct buf b;

	if (!storage)
		return SPAN("");
	buf_init(&b, storage, max);
	put_line(&b, SPAN("Return-Path: <"), sender, SPAN(">\n"));
	put_line(&b, SPAN("X-Original-To: "), r->orig, SPAN("\n"));
	put_line(&b, SPAN("Delivered-To: "), r->addr, SPAN("\n"));
	must(!b.overflow);
	return buf_span(&b);
}

/* False: there is no memory for so much. */
static bool
take_rcpts(struct job *j, const struct msg_in *in, struct job_rcpt *rcpts)
{
	struct span rest = in->fields;
	struct span sender = keep(j, msg_str(in, MSG_FIELD_SENDER));
	struct msg_in group;

	for (size_t i = 0; i < j->n; i++) {
		if (!msg_next_group(&rest, MSG_FIELD_RCPT, &group))
			return false;
		struct job_rcpt *r = &rcpts[i];
		r->n = msg_u64(&group, MSG_FIELD_N);
		r->addr = keep(j, msg_str(&group, MSG_FIELD_ADDR));
		r->orig = keep(j, msg_str(&group, MSG_FIELD_ORIG));
		r->token = keep(j, msg_str(&group, MSG_FIELD_TOKEN));
		if (r->orig.n == 0)
			r->orig = r->addr;
		j->targets[i] = (struct store_target){
			.mailbox = keep(j, msg_str(&group, MSG_FIELD_MAILBOX)),
			.head = make_head(j, sender, r),
			.result = STORE_TEMPFAIL,
		};
		if (j->targets[i].head.n == 0)
			return false;
	}
	return true;
}

struct job *
job_new(const struct msg_in *in, int fd, int64_t now)
{
	struct job *j = zalloc(sizeof(*j));

	*j = (struct job){
		.arena = arena_new(JOB_MEMORY_MAX),
		.request = in->id,
		.service = "virtual",
		.max_size = msg_u64(in, MSG_FIELD_MAX_SIZE),
		.content = { .fd = fd,
		    .offset = msg_u64(in, MSG_FIELD_OFFSET),
		    .length = msg_u64(in, MSG_FIELD_LENGTH),
		    .checksum = (uint32_t)msg_u64(in, MSG_FIELD_CHECKSUM) },
		.n = msg_count_groups(in, MSG_FIELD_RCPT),
		.arrived = (int64_t)msg_u64(in, MSG_FIELD_ARRIVED),
		.active = (int64_t)msg_u64(in, MSG_FIELD_TIME_BEGUN),
		.begun = now,
	};
	j->id = keep(j, msg_str(in, MSG_FIELD_ID));
	j->root = keep(j, msg_str(in, MSG_FIELD_ROOT));
	if (fd < 0 || j->n == 0 || j->n > JOB_RCPTS_MAX ||
	    j->content.offset > INT64_MAX / 4 ||
	    j->content.length > INT64_MAX / 4)
		return job_free(j);

	struct job_rcpt *rcpts = arena_alloc(j->arena, j->n * sizeof(*rcpts));
	j->targets = arena_alloc(j->arena, j->n * sizeof(*j->targets));
	j->rcpts = rcpts;
	if (!rcpts || !j->targets || !take_rcpts(j, in, rcpts))
		return job_free(j);
	return j;
}

/* The largest head decides for all: they differ by an address or two. */
static bool
is_too_large(const struct job *j)
{
	size_t head = 0;

	for (size_t i = 0; i < j->n; i++)
		if (j->targets[i].head.n > head)
			head = j->targets[i].head.n;
	return j->max_size && j->content.length + head > j->max_size;
}

void
job_run(struct job *j, struct store *s)
{
	if (!is_too_large(j)) {
		store_deliver(s, &j->content, j->targets, j->n);
		return;
	}
	for (size_t i = 0; i < j->n; i++) {
		j->targets[i].error = EFBIG;
		why_set(&j->targets[i].why, EFBIG, NULL, 0,
		    "message of %" PRIu64 " bytes is over "
		    "virtual_mailbox_limit (%" PRIu64 ")",
		    j->content.length, j->max_size);
	}
}

void
job_fail(struct job *j, const char *text)
{
	for (size_t i = 0; i < j->n; i++) {
		j->targets[i].result = STORE_TEMPFAIL;
		why_set(&j->targets[i].why, EIO, NULL, 0, "%s", text);
	}
}

/* RFC 3463: 4.2 is the mailbox's fault, 4.3 the system's. */
static const char *
temporary_dsn(int error)
{
	switch (error) {
	case ENOSPC:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EROFS:
		return "4.3.0";
	default:
		return "4.2.0";
	}
}

static struct outcome
outcome_of(const struct store_target *t)
{
	struct outcome o = { .status = DELIVERY_DEFERRED, .state = SPAN("") };

	switch (t->result) {
	case STORE_OK:
		o.status = DELIVERY_SENT;
		o.dsn = "2.0.0";
		break;
	case STORE_ABSENT:
		o.status = DELIVERY_BOUNCED;
		o.dsn = "5.1.1";
		break;
	case STORE_OVERQUOTA:
		o.dsn = "4.2.2";
		break;
	case STORE_EXISTS:
	case STORE_INVALID:
	case STORE_LIMIT:
	case STORE_BUSY:
	case STORE_TEMPFAIL:
		o.dsn = temporary_dsn(t->error);
		break;
	case STORE_CORRUPT:
		o.dsn = "4.3.0";
		o.state = SPAN("corrupt");
		break;
	}
	if (t->result != STORE_OK && t->error == EFBIG) {
		o.status = DELIVERY_BOUNCED;
		o.dsn = "5.2.2";
	}
	if (t->result == STORE_OK)
		snprintf(o.text, sizeof(o.text), "delivered to maildir");
	else
		snprintf(o.text, sizeof(o.text), "maildir delivery failed: %s",
		    t->why.text);
	return o;
}

/* Where it lies, if it does. */
static struct span
mailbox_of(const struct store_target *t)
{
	return t->result == STORE_OK ? t->mailbox : SPAN("");
}

void
job_log(const struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct outcome o = outcome_of(&j->targets[i]);

		maillog_delivery(&(struct log_delivery){
		    .service = j->service,
		    .id = j->id,
		    .to = j->rcpts[i].addr,
		    .orig_to = j->rcpts[i].orig,
		    .relay = SPAN("virtual"),
		    .arrived = j->arrived,
		    .active = j->active ? j->active : j->begun,
		    .begun = j->begun,
		    .connected = j->begun,
		    .ended = j->ended,
		    .dsn = span_str(o.dsn),
		    .status = o.status,
		    .text = span_str(o.text),
		    .mailbox = mailbox_of(&j->targets[i]),
		    .uidvalidity = j->targets[i].uidvalidity,
		    .uid = j->targets[i].uid,
		});
	}
}

static void
put_rcpt(const struct job *j, struct buf *b, size_t i, bool text)
{
	struct outcome o = outcome_of(&j->targets[i]);
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	msg_put_u64(b, MSG_FIELD_N, j->rcpts[i].n);
	msg_put_str(b, MSG_FIELD_ADDR, text ? j->rcpts[i].addr : SPAN(""));
	msg_put_u64(b, MSG_FIELD_STATUS, o.status);
	msg_put_str(b, MSG_FIELD_DSN, span_str(o.dsn));
	if (text)
		msg_put_str(b, MSG_FIELD_TEXT, span_str(o.text));
	msg_put_opt(b, MSG_FIELD_STATE, o.state);
	msg_group_end(b, group);
}

static bool
put_all(const struct job *j, struct buf *b, bool text)
{
	b->n = 0;
	b->overflow = false;
	msg_begin(b, MSG_RESULT, j->request);
	msg_put_str(b, MSG_FIELD_ID, j->id);
	msg_put_str(b, MSG_FIELD_RELAY, SPAN("virtual"));
	msg_put_u64(b, MSG_FIELD_TIME_BEGUN, (uint64_t)j->begun);
	msg_put_u64(b, MSG_FIELD_TIME_CONNECTED, (uint64_t)j->begun);
	msg_put_u64(b, MSG_FIELD_TIME_ENDED, (uint64_t)j->ended);
	for (size_t i = 0; i < j->n; i++)
		put_rcpt(j, b, i, text);
	return msg_end(b, 0);
}

/* So many long reasons that no packet holds them: then without the reasons. */
void
job_put_result(const struct job *j, struct buf *b)
{
	if (!put_all(j, b, true))
		must(put_all(j, b, false));
}
