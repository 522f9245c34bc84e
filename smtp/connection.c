#include "smtp/connection.h"

#include "base/log.h"
#include "service/counters.h"
#include "service/service.h"
#include "smtp/content.h"
#include "smtp/params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN_MAX = 4096, /* RFC 5321 has 512 for a line of a reply */
	MEMORY_MAX = 16384,
	NAME_MAX_LEN = 512,
	QUIT_MS = 1000, /* nobody waits for the answer */
};

static struct span
keep(struct arena *a, struct span s)
{
	const char *p = arena_dup(a, s);

	must(p);
	return (struct span){ p, s.n };
}

/* False: whether we have a password for it cannot be found out. */
static bool
configure(struct connection *c, const struct job *j, const struct host *h,
    const struct policy *policy, struct fault *fault_r)
{
	struct smtp_config *g = &c->config;
	struct why why;

	c->nexthop = keep(c->arena, j->nexthop);
	c->host = keep(c->arena, span_str(h->name)).p;
	c->relay = dial_name(c->arena, h, true);
	c->tls = policy->context;
	c->sender = keep(c->arena, j->mail.sender);
	*g = (struct smtp_config){
		.lmtp = params.lmtp,
		.helo = span_str(params.helo_name),
		.peer = span_str(dial_name(c->arena, h, false)),
		.level = policy->level,
		.discard = params.discard,
		.skip_5xx_greeting = params.skip_5xx_greeting,
		.xforward = params.xforward,
		.auth_soft = params.sasl_soft,
		.no_plaintext = conf_list_has(params.sasl_options,
		    "noplaintext"),
		.no_plaintext_tls = conf_list_has(params.sasl_tls_options,
		    "noplaintext"),
	};
	switch (params_credentials(&(struct params_peer){ span_str(h->name),
				       j->nexthop, j->mail.sender },
	    c->arena, &g->user, &g->password, &why)) {
	case DICT_FOUND:
		g->with_auth = true;
		return true;
	case DICT_ABSENT:
		return true;
	case DICT_TEMPFAIL:
		break;
	}
	log_warning("%s", why.text);
	fault_set(fault_r, SMTP_SOFT, "4.3.0",
	    "SASL password lookup error for %.*s", (int)g->peer.n, g->peer.p);
	return false;
}

struct connection *
connection_open(struct job *j, const struct host *h,
    const struct policy *policy, struct fault *fault_r)
{
	struct connection *c;
	int fd = dial_connect(&params.dial, &h->addr);

	if (fd < 0) {
		/* That of the job may be full of what servers have said. */
		struct arena *a CLEANUP(arena_freep) = arena_new(MEMORY_MAX);

		fault_set(fault_r, SMTP_SOFT, "4.4.1", "connect to %s: %s",
		    dial_name(a, h, true), strerror(-fd));
		j->interrupted = fd == -ECANCELED;
		return NULL;
	}
	c = zalloc(sizeof(*c));
	c->stream = stream_new(fd, IN_MAX, SMTP_OUT_MAX);
	c->arena = arena_new(MEMORY_MAX);
	c->made = task_now();
	if (!configure(c, j, h, policy, fault_r))
		return connection_free(c);
	session_init(&c->session, &c->config, &j->mail, &c->stream->out);
	return c;
}

struct connection *
connection_free(struct connection *c)
{
	if (!c)
		return NULL;
	stream_free(c->stream);
	arena_free(c->arena);
	free(c);
	return NULL;
}

struct connection *
connection_quit(struct connection *c)
{
	if (c->session.reusable) {
		session_quit(&c->session);
		(void)!stream_flush(c->stream, task_after(QUIT_MS));
	}
	return connection_free(c);
}

static int64_t
timeout_of(enum smtp_stage stage)
{
	switch (stage) {
	case SMTP_AT_GREETING:
	case SMTP_AT_EHLO:
	case SMTP_AT_HELO:
	case SMTP_AT_AUTH:
		return params.helo_timeout;
	case SMTP_AT_STARTTLS:
		return params.tls.timeout;
	case SMTP_AT_RSET:
		return params.rset_timeout;
	case SMTP_AT_XFORWARD:
		return params.xforward_timeout;
	case SMTP_AT_MAIL:
		return params.mail_timeout;
	case SMTP_AT_RCPT:
		return params.rcpt_timeout;
	case SMTP_AT_DATA:
		return params.data_init_timeout;
	case SMTP_AT_CONTENT:
		return params.data_xfer_timeout;
	case SMTP_AT_DOT:
		return params.data_done_timeout;
	case SMTP_AT_END:
	case SMTP_STAGES:
		break;
	}
	return params.quit_timeout;
}

/* What ended the connection, as the session knows it. */
static void
break_off(struct connection *c, struct job *j, enum stream_result r)
{
	switch (r) {
	case STREAM_TIMEOUT:
		session_broken(&c->session, SMTP_TIMED_OUT);
		return;
	case STREAM_TOO_LONG:
		session_broken(&c->session, SMTP_LINE_TOO_LONG);
		return;
	case STREAM_CANCELLED:
		j->interrupted = true;
		break;
	case STREAM_OK:
	case STREAM_EOF:
	case STREAM_FAILED:
	case STREAM_EARLY_DATA:
		break;
	}
	session_broken(&c->session, SMTP_LOST);
}

/* One deadline for a whole reply, however many lines it has. */
static void
take_reply(struct connection *c, struct job *j)
{
	struct smtp_session *s = &c->session;
	int64_t by = task_after(timeout_of(s->stage));

	do {
		struct span line;
		enum stream_result r = stream_line(c->stream, IN_MAX,
		    STREAM_LF_TOO, by, &line);

		if (r != STREAM_OK) {
			break_off(c, j, r);
			return;
		}
		session_line(s, line, stream_pending(c->stream) > 0);
	} while (s->want == SMTP_WANT_LINE && s->reply.n > 0);
	if (s->stage >= SMTP_AT_RSET && !j->connected)
		j->connected = service_wall();
}

static void
log_tls(const struct connection *c, const struct tls_facts *f)
{
	char text[TLS_FACTS_MAX + NAME_MAX_LEN];
	struct buf b;

	if (params.tls.log_level <= 0)
		return;
	buf_init(&b, text, sizeof(text));
	tls_facts_log(&b, f, false, span_str(c->relay), SPAN(""));
	log_info("%.*s", (int)b.n, b.p);
}

/* False: there is no TLS, and the connection is of no use. */
static bool
shake_hands(struct connection *c, struct job *j)
{
	struct tls_facts f = { 0 };
	enum stream_result r = stream_starttls(c->stream, c->tls, c->host,
	    task_after(params.tls.timeout), &f);

	counter_add(r == STREAM_OK ? COUNTER_TLS : COUNTER_TLS_FAILED, 1);
	switch (r) {
	case STREAM_OK:
		log_tls(c, &f);
		return true;
	case STREAM_EARLY_DATA:
		session_no_tls(&c->session,
		    "the server spoke before the handshake");
		return false;
	case STREAM_CANCELLED:
		j->interrupted = true;
		break;
	case STREAM_EOF:
	case STREAM_TOO_LONG:
	case STREAM_TIMEOUT:
	case STREAM_FAILED:
		break;
	}
	log_info("SSL_connect error to %s: %s", c->relay, f.error);
	c->tls_failed = c->config.level == SMTP_TLS_MAY;
	session_no_tls(&c->session, "handshake failure");
	return false;
}

/* Who knows only 7 bits gets no more (RFC 6152, section 3). */
static bool
needs_conversion(const struct connection *c, const struct job *j)
{
	return j->mail.is_8bit && !params.no_conversion &&
	    !(c->session.features & SMTP_HAS_8BITMIME);
}

/* It is the mail's fault, and not the server's. */
static void
give_up(struct connection *c, struct job *j, enum smtp_fate fate,
    const char *dsn, const char *text)
{
	mail_decide(&j->mail, fate, dsn, text);
	session_broken(&c->session, SMTP_LOST);
	c->session.site = false;
}

static void
send_content(struct connection *c, struct job *j)
{
	enum content_result sent = CONTENT_SENT;
	enum stream_result r;

	if (needs_conversion(c, j))
		sent = content_send_converted(c->stream, j,
		    params.data_xfer_timeout, (size_t)params.line_limit, &r);
	else
		r = content_send(c->stream, j, params.data_xfer_timeout,
		    (size_t)params.line_limit);
	if (j->corrupt) {
		give_up(c, j, SMTP_SOFT, "4.3.0", "queue file is damaged");
	} else if (sent == CONTENT_TOO_DEEP) {
		give_up(c, j, SMTP_BOUNCED, "5.6.3",
		    "MIME nesting exceeds safety limit");
	} else if (r == STREAM_OK) {
		session_content(&c->session);
	} else {
		break_off(c, j, r);
	}
}

void
connection_carry(struct connection *c, struct job *j)
{
	struct smtp_session *s = &c->session;

	if (c->uses++ > 0)
		session_again(s, &j->mail);
	else if (params.tls.from_start && !shake_hands(c, j))
		return;
	else
		s->tls = params.tls.from_start;
	for (;;)
		switch (s->want) {
		case SMTP_WANT_LINE:
			take_reply(c, j);
			break;
		case SMTP_WANT_TLS:
			if (shake_hands(c, j))
				session_tls(s);
			break;
		case SMTP_WANT_CONTENT:
			send_content(c, j);
			break;
		case SMTP_WANT_NOTHING:
			return;
		}
}
