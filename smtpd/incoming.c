#include "base/log.h"
#include "mail/maillog.h"
#include "mail/received.h"
#include "queue/intake.h"
#include "service/counters.h"
#include "service/service.h"
#include "smtpd/backend.h"
#include "smtpd/notify.h"
#include "smtpd/params.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct backend_mail {
	const struct smtpd_session *session;
	const struct backend_client *client;
	struct intake *in;
	enum smtpd_data result;
	uint64_t size;
};

static enum smtpd_data
result_of(int error)
{
	switch (error) {
	case 0:
		return SMTPD_DATA_OK;
	case -ENOSPC:
	case -EDQUOT:
		return SMTPD_DATA_FULL;
	default:
		log_warning("queue file write error: %s", strerror(-error));
		return SMTPD_DATA_FAILED;
	}
}

/* Offloaded. */
static void
flush_now(void *arg)
{
	intake_flush(arg);
}

static void
flush(struct intake *in)
{
	task_offload(TASK_DISK, flush_now, in);
}

/* What is told of TLS; `b` has room for it and keeps it. */
static void
tell_tls(struct received *r, const struct backend_mail *m, struct buf *b)
{
	const struct tls_facts *f = m->client->tls;

	if (!f || !params.tls_received)
		return;
	tls_facts_cipher(b, f);
	r->tls = buf_span(b);
	r->key_exchange = span_str(f->key_exchange);
	r->signature = span_str(f->signature);
}

static void
put_received(struct backend_mail *m)
{
	const struct smtpd_session *s = m->session;
	struct received r = {
		.helo = session_helo(s),
		.client_name = span_str(m->client->name),
		.client_addr = span_str(m->client->addr),
		.host = span_str(params.myhostname),
		.mail_name = span_str(params.mail_name),
		.proto = session_with(s),
		.time = m->in->arrived,
		.user = params.sasl_header ? session_user(s)
					   : (struct span){ 0 },
	};
	char text[RECEIVED_MAX], tls[2 * TLS_WORD_MAX + 64];
	struct buf b;

	buf_init(&b, tls, sizeof(tls));
	tell_tls(&r, m, &b);

	if (s->txn.n == 1)
		r.rcpt = s->txn.rcpts->addr;
	buf_init(&b, text, sizeof(text));
	received_put_head(&b, &r);
	must(!b.overflow);
	intake_put(m->in, buf_span(&b));
	intake_put_id(m->in);
	buf_init(&b, text, sizeof(text));
	received_put_tail(&b, &r);
	must(!b.overflow);
	intake_put(m->in, buf_span(&b));
}

struct backend_mail *
backend_mail_new(const struct smtpd_session *s, const struct backend_client *c)
{
	struct backend_mail *m = zalloc(sizeof(*m));

	m->session = s;
	m->client = c;
	m->in = intake_new(&resources.intake, service_wall());
	m->in->flush = flush;
	m->in->complete = complete_has(resources.complete, c,
	    session_user(s).p);
	m->in->sender = s->txn.sender;
	for (const struct smtpd_text *t = s->txn.prepends; t; t = t->next) {
		intake_put(m->in, t->text);
		intake_put(m->in, SPAN("\n"));
	}
	put_received(m);
	return m;
}

/* CRLF is what a client counts: one byte more a line than we keep. */
static uint64_t
wire_size(struct span piece)
{
	uint64_t n = piece.n;

	for (const char *p = piece.p, *end = p + piece.n; p < end; p++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			break;
		n++;
	}
	return n;
}

enum smtpd_data
backend_mail_put(struct backend_mail *m, struct span piece)
{
	if (m->result != SMTPD_DATA_OK)
		return m->result;
	m->size += wire_size(piece);
	if (params.size_limit > 0 && m->size > (uint64_t)params.size_limit)
		m->result = SMTPD_DATA_TOO_BIG;
	else if (!intake_feed(m->in, piece))
		m->result = result_of(m->in->error);
	else if (m->in->scan.received > (uint64_t)params.hopcount_limit)
		m->result = SMTPD_DATA_HOPS;
	return m->result;
}

/* Offloaded: all that a mail needs of the disk, at once. */
static void
commit(void *arg)
{
	struct backend_mail *m = arg;

	m->result = result_of(intake_commit(m->in));
}

static void
log_mail(const struct backend_mail *m)
{
	struct span id = span_str(m->in->id.text), none = { 0 };
	struct span user = session_user(m->session);
	struct log_client client = {
		.name = span_str(m->client->name),
		.addr = span_str(m->client->addr),
		.connection = m->client->connection,
	};

	log_hold();
	maillog_client(id, &client, user.n ? m->session->auth.mech : none, user,
	    m->session->txn.permits);
	intake_log_id(m->in);
	log_release();
}

/* That of a table goes first; who is redirected gets it without (access(5)). */
static struct span
filter_of(const struct smtpd_session *s)
{
	if (s->txn.redirect.n > 0)
		return SPAN("");
	return s->txn.filter.n > 0 ? s->txn.filter
				   : span_str(params.content_filter);
}

static void
set_envelope(struct backend_mail *m)
{
	const struct smtpd_session *s = m->session;

	m->in->envelope = (struct queue_envelope){
		.flags = (s->txn.is_8bit ? QUEUE_8BIT : 0U) |
		    (s->txn.hold ? QUEUE_TO_HOLD : 0U),
		.filter = filter_of(s),
		.envid = s->txn.envid,
		.ret = s->txn.ret,
		.client_name = span_str(m->client->name),
		.client_addr = span_str(m->client->addr),
		.proto = session_protocol(s),
		.helo = session_helo(s),
		.sasl_user = session_user(s),
	};
	if (s->auth.done)
		m->in->envelope.sasl_method = s->auth.mech;
}

static bool
add_rcpt(struct backend_mail *m, const struct queue_rcpt *r)
{
	return intake_add(m->in, r) == INTAKE_ADDED;
}

/* Nobody is told of what becomes of a copy. */
static bool
add_copies(struct backend_mail *m)
{
	for (const struct smtpd_text *t = m->session->txn.copies; t;
	     t = t->next)
		if (!add_rcpt(m,
			&(struct queue_rcpt){ .addr = t->text,
			    .notify = QUEUE_NOTIFY_NEVER }))
			return false;
	return true;
}

/* Those of the client, or who a table says gets it in their place. */
static bool
add_rcpts(struct backend_mail *m)
{
	const struct smtpd_txn *t = &m->session->txn;

	if (t->redirect.n > 0)
		return add_rcpt(m, &(struct queue_rcpt){ .addr = t->redirect });
	for (const struct smtpd_rcpt *r = t->rcpts; r; r = r->next) {
		const struct queue_rcpt given = {
			.addr = r->addr,
			.orcpt = r->orcpt,
			.notify = r->notify,
		};

		if (!add_rcpt(m, &given))
			return false;
	}
	return add_copies(m);
}

enum smtpd_data
backend_mail_commit(struct backend_mail *m, char id_r[BACKEND_ID_MAX])
{
	if (m->result != SMTPD_DATA_OK)
		return m->result;
	if (m->session->txn.discard) {
		snprintf(id_r, BACKEND_ID_MAX, "discarded");
		return SMTPD_DATA_OK;
	}
	if (!intake_end(m->in))
		return m->result = result_of(m->in->error);
	if (m->session->txn.effect_lost || !add_rcpts(m))
		return m->result = SMTPD_DATA_FAILED;
	set_envelope(m);
	task_offload(TASK_DISK, commit, m);
	if (m->result != SMTPD_DATA_OK)
		return m->result;
	counter_add(COUNTER_MESSAGES, 1);
	log_mail(m);
	notify_new(span_str(m->in->name.text));
	snprintf(id_r, BACKEND_ID_MAX, "%s", m->in->id.text);
	return SMTPD_DATA_OK;
}

/* Offloaded. */
static void
remove_file(void *arg)
{
	intake_free(arg);
}

struct backend_mail *
backend_mail_free(struct backend_mail *m)
{
	if (!m)
		return NULL;
	if (intake_is_in_memory(m->in))
		intake_free(m->in);
	else
		task_offload(TASK_DISK, remove_file, m->in);
	free(m);
	return NULL;
}
