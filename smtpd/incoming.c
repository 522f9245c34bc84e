#include "base/log.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/maillog.h"
#include "mail/received.h"
#include "service/counters.h"
#include "service/service.h"
#include "smtpd/backend.h"
#include "smtpd/notify.h"
#include "smtpd/params.h"
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	MEMORY_MAX = 32 * 1024, /* of a mail, before it goes to disk */
	RCPTS_LIMIT = 8 << 20, /* bytes of expanded recipients */
};

struct backend_mail {
	const struct smtpd_session *session;
	const struct backend_client *client;
	struct queue_writer *writer;
	struct header_scan scan;
	struct arena *arena;
	enum smtpd_data result;
	uint64_t size;
	int64_t arrived;
	struct queue_rcpt *rcpts;
	size_t n, max;
	int error; /* of what was offloaded */
	struct queue_id id;
	struct queue_name name;
	struct queue_envelope envelope;
	char added_id
	    [24]; /* the time in a Message-ID of ours; "" there is none */
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
flush(void *arg)
{
	struct backend_mail *m = arg;

	m->error = queue_flush(m->writer);
}

/* For the scan of the head: takes what goes on. */
static bool
put(struct span piece, void *arg)
{
	struct backend_mail *m = arg;

	if (queue_put(m->writer, piece))
		return true;
	task_offload(TASK_DISK, flush, m);
	m->result = result_of(m->error);
	if (m->result == SMTPD_DATA_OK && !queue_put(m->writer, piece))
		m->result = SMTPD_DATA_FAILED;
	return m->result == SMTPD_DATA_OK;
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
		.time = m->arrived,
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
	must(!b.overflow && queue_put(m->writer, buf_span(&b)) &&
	    queue_put_id(m->writer));
	buf_init(&b, text, sizeof(text));
	received_put_tail(&b, &r);
	must(!b.overflow && queue_put(m->writer, buf_span(&b)));
}

/* An address without a domain is one of ours. */
static struct span
complete(struct backend_mail *m, struct span addr)
{
	struct span origin = span_str(params.myorigin);
	char *text;

	if (addr.n == 0 || memchr(addr.p, '@', addr.n))
		return addr;
	text = arena_alloc(m->arena, addr.n + 1 + origin.n);
	if (!text)
		return addr;
	memcpy(text, addr.p, addr.n);
	text[addr.n] = '@';
	memcpy(text + addr.n + 1, origin.p, origin.n);
	return (struct span){ text, addr.n + 1 + origin.n };
}

/* "Message-ID: <20261121205758.ID@HOST>", as Postfix makes it. */
static void
add_id(struct header_scan *h, const char *resent)
{
	struct backend_mail *m = h->arg;
	time_t t = (time_t)(m->arrived / 1000000);
	char text[512];
	struct tm tm;
	struct buf b;

	must(gmtime_r(&t, &tm));
	must(strftime(m->added_id, sizeof(m->added_id), "%Y%m%d%H%M%S", &tm));
	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "%sMessage-Id: <%s.", resent, m->added_id);
	header_scan_add(h, buf_span(&b));
	if (!queue_put_id(m->writer)) {
		task_offload(TASK_DISK, flush, m);
		m->result = result_of(m->error);
		if (m->result == SMTPD_DATA_OK && !queue_put_id(m->writer))
			m->result = SMTPD_DATA_FAILED;
	}
	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "@%s>\n", params.myhostname);
	header_scan_add(h, buf_span(&b));
}

static void
add_date(struct header_scan *h, const char *resent)
{
	const struct backend_mail *m = h->arg;
	char text[DATE_MAX + 32];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "%sDate: ", resent);
	date_put_header(&b, m->arrived);
	buf_put(&b, SPAN("\n"));
	header_scan_add(h, buf_span(&b));
}

static void
add_from(struct header_scan *h, const char *resent)
{
	struct backend_mail *m = h->arg;
	struct span from = complete(m, m->session->txn.sender);

	header_scan_add(h, span_str(resent));
	header_scan_add(h, SPAN("From: "));
	header_scan_add(h, from.n ? from : SPAN("MAILER-DAEMON"));
	header_scan_add(h, SPAN("\n"));
}

/* What a mail of one of ours lacks is put behind what it has (RFC 6409, 8). */
static void
complete_head(struct header_scan *h)
{
	bool resent = h->has & HEADER_HAS_RESENT;
	const char *prefix = resent ? "Resent-" : "";

	if (!(h->has & (resent ? HEADER_HAS_RESENT_ID : HEADER_HAS_ID)))
		add_id(h, prefix);
	if (!(h->has & (resent ? HEADER_HAS_RESENT_DATE : HEADER_HAS_DATE)))
		add_date(h, prefix);
	if (!(h->has & (resent ? HEADER_HAS_RESENT_FROM : HEADER_HAS_FROM)))
		add_from(h, prefix);
}

struct backend_mail *
backend_mail_new(const struct smtpd_session *s, const struct backend_client *c)
{
	struct backend_mail *m = zalloc(sizeof(*m));

	m->session = s;
	m->client = c;
	m->scan.put = put;
	m->scan.end = complete_has(resources.complete, c, session_user(s).p)
	    ? complete_head
	    : NULL;
	m->scan.arg = m;
	m->arena = arena_new(RCPTS_LIMIT);
	m->arrived = service_wall();
	m->writer = queue_writer_new(resources.queue, MEMORY_MAX);
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
	else if (piece.n > 0 && !header_scan_feed(&m->scan, piece) &&
	    m->result == SMTPD_DATA_OK)
		m->result = SMTPD_DATA_FAILED;
	else if (m->scan.received > (uint64_t)params.hopcount_limit)
		m->result = SMTPD_DATA_HOPS;
	return m->result;
}

/* Adds a recipient, unless it is one already. False: no room. */
static bool
add_rcpt(struct backend_mail *m, struct span addr, struct span orig)
{
	for (size_t i = 0; i < m->n; i++)
		if (span_ieq(m->rcpts[i].addr, addr))
			return true;
	if (m->n == m->max) {
		size_t max = m->max ? 2 * m->max : 4;
		struct queue_rcpt *more = arena_alloc(m->arena,
		    max * sizeof(*more));

		if (!more)
			return false;
		if (m->n)
			memcpy(more, m->rcpts, m->n * sizeof(*more));
		m->rcpts = more;
		m->max = max;
	}
	m->rcpts[m->n++] = (struct queue_rcpt){ .addr = addr, .orig = orig };
	return true;
}

/* What a recipient stands for. False: that cannot be found out now. */
static bool
expand(struct backend_mail *m, struct span given)
{
	struct span addr = complete(m, given);
	const struct span *list;
	struct why why;
	size_t n;

	switch (routing_expand(resources.routing, addr, m->arena, &list, &n,
	    &why)) {
	case DICT_ABSENT:
		return add_rcpt(m, addr,
		    span_eq(addr, given) ? (struct span){ 0 } : given);
	case DICT_TEMPFAIL:
		log_warning("%s", why.text);
		return false;
	case DICT_FOUND:
		break;
	}
	for (size_t i = 0; i < n; i++)
		if (!add_rcpt(m, list[i], given))
			return false;
	return true;
}

/* Offloaded: all that a mail needs of the disk, at once. */
static void
commit(void *arg)
{
	struct backend_mail *m = arg;

	m->error = queue_commit(m->writer, &m->envelope, m->rcpts, m->n, &m->id,
	    &m->name);
}

static struct span
message_id(const struct backend_mail *m, char *text, size_t max)
{
	if (m->scan.id_n)
		return (struct span){ m->scan.id, m->scan.id_n };
	if (!*m->added_id || m->scan.has & HEADER_HAS_RESENT)
		return SPAN("<>");
	snprintf(text, max, "<%s.%s@%s>", m->added_id, m->id.text,
	    params.myhostname);
	return span_str(text);
}

static void
log_mail(const struct backend_mail *m)
{
	struct span id = span_str(m->id.text), none = { 0 };
	struct span user = session_user(m->session);
	struct log_client client = { span_str(m->client->name),
		span_str(m->client->addr) };
	char text[512];

	maillog_client(id, &client, user.n ? m->session->auth.mech : none,
	    user);
	maillog_message_id(id, message_id(m, text, sizeof(text)));
}

static void
set_envelope(struct backend_mail *m)
{
	const struct smtpd_session *s = m->session;

	m->envelope = (struct queue_envelope){
		.arrived = m->arrived,
		.sender = complete(m, s->txn.sender),
		.flags = s->txn.is_8bit ? QUEUE_8BIT : 0,
		.client_name = span_str(m->client->name),
		.client_addr = span_str(m->client->addr),
		.proto = session_protocol(s),
		.helo = session_helo(s),
		.sasl_user = session_user(s),
	};
	if (s->auth.done)
		m->envelope.sasl_method = s->auth.mech;
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
	if (!header_scan_end(&m->scan))
		return m->result = m->result == SMTPD_DATA_OK
		    ? SMTPD_DATA_FAILED
		    : m->result;
	for (const struct smtpd_rcpt *r = m->session->txn.rcpts; r; r = r->next)
		if (!expand(m, r->addr))
			return m->result = SMTPD_DATA_FAILED;
	set_envelope(m);
	task_offload(TASK_DISK, commit, m);
	m->result = result_of(m->error);
	if (m->result != SMTPD_DATA_OK)
		return m->result;
	counter_add(COUNTER_MESSAGES, 1);
	log_mail(m);
	notify_new(span_str(m->name.text));
	snprintf(id_r, BACKEND_ID_MAX, "%s", m->id.text);
	return SMTPD_DATA_OK;
}

/* Offloaded. */
static void
remove_file(void *arg)
{
	struct backend_mail *m = arg;

	m->writer = queue_writer_free(m->writer);
}

struct backend_mail *
backend_mail_free(struct backend_mail *m)
{
	if (!m)
		return NULL;
	/* Nothing of it is on disk: nothing is to wait for. */
	if (m->name.text[0] || queue_written(m->writer) < MEMORY_MAX)
		m->writer = queue_writer_free(m->writer);
	else
		task_offload(TASK_DISK, remove_file, m);
	arena_free(m->arena);
	free(m);
	return NULL;
}
