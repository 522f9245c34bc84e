#include "smtp/job.h"

#include "mail/maillog.h"
#include "queue/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct job *
job_free(struct job *j)
{
	if (!j)
		return NULL;
	if (j->fd >= 0)
		close(j->fd);
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

/* As it came: what a relay may tell of an original recipient (RFC 3461, 5.2.1). */
static struct span
orcpt_of(struct job *j, struct span addr)
{
	static const struct span kind = SPAN_INIT("rfc822;");
	char *text;

	for (size_t i = 0; i < addr.n; i++)
		if (addr.p[i] < ' ' || addr.p[i] > '~')
			return SPAN("");
	text = arena_alloc(j->arena, kind.n + addr.n);
	if (!text)
		return SPAN("");
	memcpy(text, kind.p, kind.n);
	memcpy(text + kind.n, addr.p, addr.n);
	return (struct span){ text, kind.n + addr.n };
}

static bool
take_rcpts(struct job *j, const struct msg_in *in)
{
	size_t n = msg_count_groups(in, MSG_FIELD_RCPT);
	struct span rest = in->fields;
	struct msg_in group;
	uint64_t *numbers;
	struct span *origs;

	if (n == 0 || n > JOB_RCPTS_MAX)
		return false;
	j->mail.rcpts = arena_alloc(j->arena, n * sizeof(*j->mail.rcpts));
	numbers = arena_alloc(j->arena, n * sizeof(*numbers));
	origs = arena_alloc(j->arena, n * sizeof(*origs));
	if (!j->mail.rcpts || !numbers || !origs)
		return false;
	for (size_t i = 0; msg_next_group(&rest, MSG_FIELD_RCPT, &group); i++) {
		struct smtp_rcpt *r = &j->mail.rcpts[i];

		numbers[i] = msg_u64(&group, MSG_FIELD_N);
		r->addr = keep(j, msg_str(&group, MSG_FIELD_ADDR));
		r->orcpt = keep(j, msg_str(&group, MSG_FIELD_ORCPT));
		r->notify = (unsigned)msg_u64(&group, MSG_FIELD_NOTIFY);
		r->text = "";
		origs[i] = keep(j, msg_str(&group, MSG_FIELD_ORIG));
		if (r->orcpt.n == 0)
			r->orcpt = orcpt_of(j, origs[i].n ? origs[i] : r->addr);
		if (r->addr.n == 0)
			return false;
	}
	j->mail.n = n;
	j->numbers = numbers;
	j->origs = origs;
	return true;
}

struct job *
job_new(const struct msg_in *in, int fd, int64_t now)
{
	struct job *j = zalloc(sizeof(*j));
	uint64_t flags = msg_u64(in, MSG_FIELD_FLAGS);

	*j = (struct job){
		.arena = arena_new(JOB_MEMORY_MAX),
		.fd = fd,
		.offset = msg_u64(in, MSG_FIELD_OFFSET),
		.length = msg_u64(in, MSG_FIELD_LENGTH),
		.checksum = (uint32_t)msg_u64(in, MSG_FIELD_CHECKSUM),
		.reuse = msg_u64(in, MSG_FIELD_REUSE) != 0,
		.relay = "none",
		.arrived = (int64_t)msg_u64(in, MSG_FIELD_ARRIVED),
		.active = (int64_t)msg_u64(in, MSG_FIELD_TIME_BEGUN),
		.begun = now,
	};
	j->id = keep(j, msg_str(in, MSG_FIELD_ID));
	j->nexthop = keep(j, msg_str(in, MSG_FIELD_NEXTHOP));
	j->mail = (struct smtp_mail){
		.arena = j->arena,
		.sender = keep(j, msg_str(in, MSG_FIELD_SENDER)),
		.envid = keep(j, msg_str(in, MSG_FIELD_ENVID)),
		.ret = (unsigned)msg_u64(in, MSG_FIELD_RET),
		.client_name = keep(j, msg_str(in, MSG_FIELD_CLIENT_NAME)),
		.client_addr = keep(j, msg_str(in, MSG_FIELD_CLIENT_ADDR)),
		.proto = keep(j, msg_str(in, MSG_FIELD_PROTO)),
		.helo = keep(j, msg_str(in, MSG_FIELD_HELO)),
		.is_8bit = flags & QUEUE_8BIT,
		.is_utf8 = flags & QUEUE_SMTPUTF8,
		.size = j->length,
	};
	if (fd < 0 || j->offset > INT64_MAX / 4 || j->length > INT64_MAX / 4 ||
	    !take_rcpts(j, in))
		return job_free(j);
	return j;
}

static enum delivery_status
status_of(const struct smtp_rcpt *r)
{
	return r->fate == SMTP_SENT   ? DELIVERY_SENT
	    : r->fate == SMTP_BOUNCED ? DELIVERY_BOUNCED
				      : DELIVERY_DEFERRED;
}

void
job_log(const struct job *j, const char *service)
{
	for (size_t i = 0; i < j->mail.n; i++) {
		const struct smtp_rcpt *r = &j->mail.rcpts[i];

		maillog_delivery(&(struct log_delivery){
		    .service = service,
		    .id = j->id,
		    .to = r->addr,
		    .orig_to = j->origs[i],
		    .relay = span_str(j->relay),
		    .conn_use = j->uses,
		    .arrived = j->arrived,
		    .active = j->active ? j->active : j->begun,
		    .begun = j->begun,
		    .connected = j->connected ? j->connected : j->ended,
		    .ended = j->ended,
		    .dsn = span_str(r->dsn),
		    .status = status_of(r),
		    .text = span_str(r->text),
		});
	}
}

static void
put_rcpt(const struct job *j, struct buf *b, size_t i, bool text)
{
	const struct smtp_rcpt *r = &j->mail.rcpts[i];
	size_t group = msg_group_begin(b, MSG_FIELD_RCPT);

	msg_put_u64(b, MSG_FIELD_N, j->numbers[i]);
	msg_put_str(b, MSG_FIELD_ADDR, text ? r->addr : SPAN(""));
	msg_put_u64(b, MSG_FIELD_STATUS, status_of(r));
	msg_put_str(b, MSG_FIELD_DSN, span_str(r->dsn));
	if (r->fate == SMTP_SENT && r->passed_on)
		msg_put_u64(b, MSG_FIELD_NOTIFY, QUEUE_NOTIFY_NEVER);
	if (text)
		msg_put_opt(b, MSG_FIELD_TEXT, span_str(r->text));
	if (j->damaged)
		msg_put_str(b, MSG_FIELD_STATE, SPAN("corrupt"));
	msg_group_end(b, group);
}

static bool
put_all(const struct job *j, struct buf *b, bool text)
{
	int64_t connected = j->connected ? j->connected : j->ended;

	b->n = 0;
	b->overflow = false;
	msg_begin(b, MSG_RESULT, j->work.request);
	msg_put_str(b, MSG_FIELD_ID, j->id);
	msg_put_str(b, MSG_FIELD_RELAY, span_str(j->relay));
	msg_put_u64(b, MSG_FIELD_TIME_BEGUN, (uint64_t)j->begun);
	msg_put_u64(b, MSG_FIELD_TIME_CONNECTED, (uint64_t)connected);
	msg_put_u64(b, MSG_FIELD_TIME_ENDED, (uint64_t)j->ended);
	for (size_t i = 0; i < j->mail.n; i++)
		put_rcpt(j, b, i, text);
	if (j->dead)
		msg_put_str(b, MSG_FIELD_DEAD_HOST, span_str(j->dead));
	return msg_end(b, 0);
}

/* So many long reasons that no packet holds them: then without the reasons. */
void
job_put_result(const struct job *j, struct buf *b)
{
	if (!put_all(j, b, true))
		must(put_all(j, b, false));
}
