#include "base/base64.h"
#include "base/scan.h"
#include "smtp/private.h"

#include <stdio.h>

void
say_hello(struct smtp_session *s, enum smtp_stage stage)
{
	s->stage = stage;
	s->want = SMTP_WANT_LINE;
	s->features = 0;
	s->forward = 0;
	s->size_limit = 0;
	buf_put(s->out,
	    stage == SMTP_AT_HELO ? SPAN("HELO ")
		: s->config->lmtp ? SPAN("LHLO ")
				  : SPAN("EHLO "));
	buf_put(s->out, s->config->helo);
	buf_put(s->out, SPAN("\r\n"));
}

/* Whether the word is among what a server offers. */
static const struct {
	struct span word;
	unsigned bit;
} keywords[] = {
	{ SPAN_INIT("PIPELINING"), SMTP_HAS_PIPELINING },
	{ SPAN_INIT("SIZE"), SMTP_HAS_SIZE },
	{ SPAN_INIT("8BITMIME"), SMTP_HAS_8BITMIME },
	{ SPAN_INIT("STARTTLS"), SMTP_HAS_STARTTLS },
	{ SPAN_INIT("AUTH"), SMTP_HAS_AUTH },
	{ SPAN_INIT("DSN"), SMTP_HAS_DSN },
	{ SPAN_INIT("SMTPUTF8"), SMTP_HAS_SMTPUTF8 },
};

unsigned
session_feature(struct span keyword)
{
	for (size_t i = 0; i < COUNT_OF(keywords); i++)
		if (span_ieq(keywords[i].word, keyword))
			return keywords[i].bit;
	return 0;
}

static void
take_mechanisms(struct smtp_session *s, struct span rest)
{
	struct span word;

	for (take_blanks(&rest); take_word(&rest, &word); take_blanks(&rest))
		if (span_ieq(word, SPAN("PLAIN")))
			s->features |= SMTP_HAS_PLAIN;
		else if (span_ieq(word, SPAN("LOGIN")))
			s->features |= SMTP_HAS_LOGIN;
}

static void
take_attributes(struct smtp_session *s, struct span rest)
{
	static const struct {
		struct span word;
		unsigned bit;
	} rows[] = {
		{ SPAN_INIT("NAME"), SMTP_FORWARD_NAME },
		{ SPAN_INIT("ADDR"), SMTP_FORWARD_ADDR },
		{ SPAN_INIT("PROTO"), SMTP_FORWARD_PROTO },
		{ SPAN_INIT("HELO"), SMTP_FORWARD_HELO },
		{ SPAN_INIT("SOURCE"), SMTP_FORWARD_SOURCE },
	};
	struct span word;

	for (take_blanks(&rest); take_word(&rest, &word); take_blanks(&rest))
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			if (span_ieq(word, rows[i].word))
				s->forward |= rows[i].bit;
}

/* A line of the answer to EHLO; the first is a greeting. */
void
take_offer(struct smtp_session *s, struct span line)
{
	struct span word;
	unsigned bit;

	if (line.n < 4)
		return;
	line.p += 4;
	line.n -= 4;
	/* Old servers say AUTH=LOGIN. */
	if (line.n > 5 && span_ieq((struct span){ line.p, 5 }, SPAN("AUTH="))) {
		s->features |= SMTP_HAS_AUTH & ~s->config->discard;
		take_mechanisms(s, (struct span){ line.p + 5, line.n - 5 });
		return;
	}
	if (!take_word(&line, &word))
		return;
	if (span_ieq(word, SPAN("XFORWARD"))) {
		take_attributes(s, line);
		return;
	}
	bit = session_feature(word) & ~s->config->discard;
	s->features |= bit;
	take_blanks(&line);
	if (bit == SMTP_HAS_AUTH)
		take_mechanisms(s, line);
	else if (bit == SMTP_HAS_SIZE &&
	    !take_number(&line, UINT64_MAX / 2, &s->size_limit))
		s->size_limit = 0;
}

static void
log_in(struct smtp_session *s)
{
	const struct smtp_config *c = s->config;
	bool refused = s->tls ? c->no_plaintext_tls : c->no_plaintext;
	char text[SMTP_TEXT_MAX];

	s->stage = SMTP_AT_AUTH;
	s->want = SMTP_WANT_LINE;
	s->auth_step = 0;
	if (!refused && (s->features & SMTP_HAS_PLAIN)) {
		s->auth_step = 3;
		command_plain(s->out, c->user, c->password);
	} else if (!refused && (s->features & SMTP_HAS_LOGIN)) {
		buf_put(s->out, SPAN("AUTH LOGIN\r\n"));
	} else {
		snprintf(text, sizeof(text),
		    "SASL authentication failed; cannot authenticate to server "
		    "%.*s: no mechanism available",
		    (int)c->peer.n, c->peer.p);
		fail_session(s, SMTP_SOFT, "4.7.0", text);
	}
}

/* The server has said what it offers. */
static void
after_hello(struct smtp_session *s)
{
	const struct smtp_config *c = s->config;
	char text[SMTP_TEXT_MAX];

	if (!s->tls && c->level != SMTP_TLS_NONE &&
	    (s->features & SMTP_HAS_STARTTLS)) {
		s->stage = SMTP_AT_STARTTLS;
		buf_put(s->out, SPAN("STARTTLS\r\n"));
	} else if (!s->tls && c->level == SMTP_TLS_ENCRYPT) {
		snprintf(text, sizeof(text),
		    "TLS is required, but was not offered by host %.*s",
		    (int)c->peer.n, c->peer.p);
		fail_session(s, SMTP_SOFT, "4.7.4", text);
	} else if (c->with_auth && (s->features & SMTP_HAS_AUTH)) {
		log_in(s);
	} else {
		begin_mail(s);
	}
}

void
on_greeting(struct smtp_session *s)
{
	enum smtp_fate fate = reply_fate(s);

	if (s->code / 100 == 2) {
		say_hello(s, SMTP_AT_EHLO);
		return;
	}
	if (s->config->skip_5xx_greeting)
		fate = SMTP_SOFT;
	refuse_session(s, "host", "refused to talk to me", fate);
}

void
on_hello(struct smtp_session *s)
{
	if (s->code / 100 == 2) {
		after_hello(s);
		return;
	}
	/* Who does not know EHLO may know HELO; after TLS he has known it. */
	if (s->stage == SMTP_AT_EHLO && s->code != 421 && !s->config->lmtp &&
	    !s->tls) {
		say_hello(s, SMTP_AT_HELO);
		return;
	}
	refuse_session(s, "host", "refused to talk to me", reply_fate(s));
}

void
on_starttls(struct smtp_session *s)
{
	if (s->code / 100 == 2) {
		s->want = SMTP_WANT_TLS;
	} else if (s->config->level == SMTP_TLS_ENCRYPT || s->code == 421) {
		refuse_session(s, "TLS is required, but host",
		    "refused to start TLS", SMTP_SOFT);
	} else {
		s->features &= ~(unsigned)SMTP_HAS_STARTTLS;
		after_hello(s);
	}
}

void
session_tls(struct smtp_session *s)
{
	must(s->want == SMTP_WANT_TLS);
	s->tls = true;
	say_hello(s, SMTP_AT_EHLO);
}

void
session_no_tls(struct smtp_session *s, const char *reason)
{
	char text[SMTP_TEXT_MAX];

	snprintf(text, sizeof(text), "Cannot start TLS: %s", reason);
	fail_session(s, SMTP_SOFT, "4.7.5", text);
}

/* Answers to AUTH: LOGIN asks for the user, then for the password. */
void
on_auth(struct smtp_session *s)
{
	const struct smtp_config *c = s->config;

	if (s->code / 100 == 2) {
		begin_mail(s);
	} else if (s->code / 100 == 3 && s->auth_step < 2) {
		base64_put(s->out, s->auth_step == 0 ? c->user : c->password);
		buf_put(s->out, SPAN("\r\n"));
		s->auth_step++;
	} else {
		refuse_session(s, "SASL authentication failed; server", "said",
		    c->auth_soft ? SMTP_SOFT : reply_fate(s));
	}
}
