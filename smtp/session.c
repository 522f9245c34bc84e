#include "smtp/session.h"

#include "base/base64.h"
#include "base/scan.h"
#include "smtp/private.h"

#include <stdio.h>

enum {
	STEP_RSET = 0,
	STEP_MAIL = 1,
	STEP_RCPT = 2, /* and as many more as there are recipients */
};

static size_t
step_data(const struct smtp_session *s)
{
	return STEP_RCPT + s->mail->n;
}

static const struct {
	const char *doing; /* "lost connection with X while ..." */
	const char *command; /* "(in reply to ... command)" */
} stages[SMTP_STAGES] = {
	[SMTP_AT_GREETING] = { "receiving the initial server greeting", "" },
	[SMTP_AT_EHLO] = { "performing the EHLO handshake", "EHLO command" },
	[SMTP_AT_HELO] = { "performing the HELO handshake", "HELO command" },
	[SMTP_AT_STARTTLS] = { "negotiating STARTTLS", "STARTTLS command" },
	[SMTP_AT_AUTH] = { "performing the AUTH handshake", "AUTH command" },
	[SMTP_AT_RSET] = { "sending RSET", "RSET command" },
	[SMTP_AT_MAIL] = { "sending MAIL FROM", "MAIL FROM command" },
	[SMTP_AT_RCPT] = { "sending RCPT TO", "RCPT TO command" },
	[SMTP_AT_DATA] = { "sending DATA command", "DATA command" },
	[SMTP_AT_CONTENT] = { "sending message body", "" },
	[SMTP_AT_DOT] = { "sending end of data -- message may be sent more than "
			  "once",
	    "end of DATA command" },
	[SMTP_AT_END] = { "sending QUIT", "QUIT command" },
};

static const char *
doing(const struct smtp_session *s)
{
	if (s->stage == SMTP_AT_EHLO && s->config->lmtp)
		return "performing the LHLO handshake";
	return stages[s->stage].doing;
}

/* Who has a verdict keeps it. */
static bool
is_undecided(const struct smtp_rcpt *r)
{
	return r->fate == SMTP_OPEN || r->fate == SMTP_ACCEPTED;
}

static void
decide(struct smtp_mail *m, struct smtp_rcpt *r, enum smtp_fate fate,
    const char *dsn, const char *text)
{
	const char *copy = arena_dup(m->arena, span_str(text));

	r->fate = fate;
	snprintf(r->dsn, sizeof(r->dsn), "%s", dsn);
	r->text = copy ? copy : "";
}

void
mail_decide(struct smtp_mail *m, enum smtp_fate fate, const char *dsn,
    const char *text)
{
	const char *copy = arena_dup(m->arena, span_str(text));

	for (size_t i = 0; i < m->n; i++)
		if (is_undecided(&m->rcpts[i])) {
			struct smtp_rcpt *r = &m->rcpts[i];

			r->fate = fate;
			snprintf(r->dsn, sizeof(r->dsn), "%s", dsn);
			r->text = copy ? copy : "";
		}
}

size_t
mail_undecided(const struct smtp_mail *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += is_undecided(&m->rcpts[i]) ||
		    m->rcpts[i].fate == SMTP_SOFT;
	return n;
}

void
mail_reopen(struct smtp_mail *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (is_undecided(&m->rcpts[i]) || m->rcpts[i].fate == SMTP_SOFT)
			m->rcpts[i].fate = SMTP_OPEN;
}

/* The mail goes no further over this session. */
static void
end(struct smtp_session *s, bool reusable)
{
	s->stage = SMTP_AT_END;
	s->want = SMTP_WANT_NOTHING;
	s->reusable = reusable;
}

/* The whole session failed, and so all that is undecided. */
static void
fail(struct smtp_session *s, enum smtp_fate fate, const char *dsn,
    const char *text)
{
	mail_decide(s->mail, fate, dsn, text);
	s->site = true;
	end(s, false);
}

/* The reply as it is told: printable, and not too long. */
static struct span
reply_text(const struct smtp_session *s)
{
	struct span t = buf_span(&s->reply);

	if (t.n > SMTP_TEXT_MAX / 2)
		t.n = SMTP_TEXT_MAX / 2;
	return t;
}

/* "5.1.1" of "550 5.1.1 no": RFC 3463, if it is of the class of the code. */
static void
find_dsn(const struct smtp_session *s, char class, char dsn_r[SMTP_DSN_MAX])
{
	struct span rest = buf_span(&s->reply), word;
	uint64_t a, b, c;

	snprintf(dsn_r, SMTP_DSN_MAX, "%c.0.0", class);
	if (rest.n < 4)
		return;
	rest.p += 4;
	rest.n -= 4;
	if (!take_word(&rest, &word))
		return;
	if (take_number(&word, 5, &a) && take_char(&word, '.') &&
	    take_number(&word, 999, &b) && take_char(&word, '.') &&
	    take_number(&word, 999, &c) && word.n == 0 && a == s->code / 100)
		snprintf(dsn_r, SMTP_DSN_MAX, "%c.%u.%u", class, (unsigned)b,
		    (unsigned)c);
}

/* For good is only what begins with a 5. */
static enum smtp_fate
fate_of(const struct smtp_session *s)
{
	return s->code / 100 == 5 ? SMTP_BOUNCED : SMTP_SOFT;
}

static void
put_said(const struct smtp_session *s, char *text, size_t max)
{
	struct span peer = s->config->peer, reply = reply_text(s);
	const char *command = stages[s->stage].command;

	if (s->stage == SMTP_AT_EHLO && s->config->lmtp)
		command = "LHLO command";
	snprintf(text, max, "host %.*s said: %.*s (in reply to %s)",
	    (int)peer.n, peer.p, (int)reply.n, reply.p, command);
}

/* Of one recipient, or with NULL of all: the server refuses. */
static void
refuse(struct smtp_session *s, struct smtp_rcpt *r)
{
	enum smtp_fate fate = fate_of(s);
	char text[SMTP_TEXT_MAX], dsn[SMTP_DSN_MAX];

	find_dsn(s, fate == SMTP_BOUNCED ? '5' : '4', dsn);
	/*
	 * RFC 5321, section 4.5.3.1.10: "not so many at once". But a full mailbox
	 * is told by 552 as well.
	 */
	if (r && s->stage == SMTP_AT_RCPT && s->code == 552 &&
	    strcmp(dsn, "5.5.3") == 0) {
		fate = SMTP_SOFT;
		dsn[0] = '4';
	}
	put_said(s, text, sizeof(text));
	if (r)
		decide(s->mail, r, fate, dsn, text);
	else
		mail_decide(s->mail, fate, dsn, text);
}

/* The session as a whole is refused: "host X refused to talk to me: ...". */
static void
refuse_session(struct smtp_session *s, const char *before, const char *behind,
    enum smtp_fate fate)
{
	struct span peer = s->config->peer, reply = reply_text(s);
	char text[SMTP_TEXT_MAX], dsn[SMTP_DSN_MAX];

	find_dsn(s, fate == SMTP_BOUNCED ? '5' : '4', dsn);
	snprintf(text, sizeof(text), "%s %.*s %s: %.*s", before, (int)peer.n,
	    peer.p, behind, (int)reply.n, reply.p);
	fail(s, fate, dsn, text);
}

void
session_broken(struct smtp_session *s, enum smtp_break how)
{
	struct span peer = s->config->peer;
	char text[SMTP_TEXT_MAX];

	if (s->want == SMTP_WANT_NOTHING) {
		s->reusable = false;
		return;
	}
	if (s->stage == SMTP_AT_RSET && s->kept) {
		s->stale = true;
		end(s, false);
		return;
	}
	switch (how) {
	case SMTP_LOST:
		snprintf(text, sizeof(text),
		    "lost connection with %.*s while %s", (int)peer.n, peer.p,
		    doing(s));
		break;
	case SMTP_TIMED_OUT:
		snprintf(text, sizeof(text),
		    "conversation with %.*s timed out while %s", (int)peer.n,
		    peer.p, doing(s));
		break;
	case SMTP_LINE_TOO_LONG:
		snprintf(text, sizeof(text),
		    "host %.*s sent a line that is too long while %s",
		    (int)peer.n, peer.p, doing(s));
		break;
	case SMTP_TALKS_EARLY:
		snprintf(text, sizeof(text),
		    "host %.*s sent a reply that was not asked for while %s",
		    (int)peer.n, peer.p, doing(s));
		break;
	}
	fail(s, SMTP_SOFT,
	    how == SMTP_LOST || how == SMTP_TIMED_OUT ? "4.4.2" : "4.5.0",
	    text);
}

static void
say_hello(struct smtp_session *s, enum smtp_stage stage)
{
	s->stage = stage;
	s->want = SMTP_WANT_LINE;
	s->features = 0;
	s->size_limit = 0;
	buf_put(s->out,
	    stage == SMTP_AT_HELO ? SPAN("HELO ")
		: s->config->lmtp ? SPAN("LHLO ")
				  : SPAN("EHLO "));
	buf_put(s->out, s->config->helo);
	buf_put(s->out, SPAN("\r\n"));
}

static enum smtp_stage
stage_of_step(const struct smtp_session *s, size_t step)
{
	if (step == STEP_RSET)
		return SMTP_AT_RSET;
	if (step == STEP_MAIL)
		return SMTP_AT_MAIL;
	return step == step_data(s) ? SMTP_AT_DATA : SMTP_AT_RCPT;
}

static void
send_step(struct smtp_session *s, size_t step)
{
	if (step == STEP_RSET)
		buf_put(s->out, SPAN("RSET\r\n"));
	else if (step == STEP_MAIL)
		command_mail(s->out, s->mail, s->features);
	else if (step == step_data(s))
		buf_put(s->out, SPAN("DATA\r\n"));
	else
		command_rcpt(s->out, &s->mail->rcpts[step - STEP_RCPT],
		    s->features);
}

/* Sends what may be sent now, all that fits where there is PIPELINING. */
static void
advance(struct smtp_session *s)
{
	bool together = s->features & SMTP_HAS_PIPELINING;

	while (s->next <= step_data(s) && (together || s->next == s->got) &&
	    buf_room(s->out) >= SMTP_COMMAND_MAX)
		send_step(s, s->next++);
	s->stage = stage_of_step(s, s->got);
	s->want = SMTP_WANT_LINE;
}

/* What this server can never take. True: it is decided. */
static bool
refuse_here(struct smtp_session *s)
{
	struct smtp_mail *m = s->mail;
	struct span peer = s->config->peer;
	char text[SMTP_TEXT_MAX];

	if ((s->features & SMTP_HAS_SIZE) && s->size_limit > 0 &&
	    m->size > s->size_limit) {
		snprintf(text, sizeof(text),
		    "message size %llu exceeds size limit %llu of server %.*s",
		    (unsigned long long)m->size,
		    (unsigned long long)s->size_limit, (int)peer.n, peer.p);
		mail_decide(m, SMTP_BOUNCED, "5.3.4", text);
	} else if (m->is_utf8 && !(s->features & SMTP_HAS_SMTPUTF8)) {
		snprintf(text, sizeof(text),
		    "SMTPUTF8 is required, but was not offered by host %.*s",
		    (int)peer.n, peer.p);
		mail_decide(m, SMTP_BOUNCED, "5.6.7", text);
	} else {
		return false;
	}
	end(s, true);
	return true;
}

static void
begin_mail(struct smtp_session *s)
{
	s->mail_ok = false;
	s->accepted = 0;
	s->at = 0;
	s->owed = 0;
	s->next = s->got = s->kept ? STEP_RSET : STEP_MAIL;
	if (!refuse_here(s))
		advance(s);
}

void
session_init(struct smtp_session *s, const struct smtp_config *config,
    struct smtp_mail *mail, struct buf *out)
{
	*s = (struct smtp_session){
		.want = SMTP_WANT_LINE,
		.stage = SMTP_AT_GREETING,
		.config = config,
		.mail = mail,
		.out = out,
	};
	buf_init(&s->reply, s->reply_bytes, sizeof(s->reply_bytes));
}

void
session_again(struct smtp_session *s, struct smtp_mail *mail)
{
	must(s->want == SMTP_WANT_NOTHING && s->reusable);
	s->mail = mail;
	s->kept = true;
	s->site = s->stale = s->reusable = false;
	begin_mail(s);
}

void
session_quit(struct smtp_session *s)
{
	buf_put(s->out, SPAN("QUIT\r\n"));
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

/* A line of the answer to EHLO; the first is a greeting. */
static void
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
		fail(s, SMTP_SOFT, "4.7.0", text);
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
		fail(s, SMTP_SOFT, "4.7.4", text);
	} else if (c->with_auth && (s->features & SMTP_HAS_AUTH)) {
		log_in(s);
	} else {
		begin_mail(s);
	}
}

static void
on_greeting(struct smtp_session *s)
{
	enum smtp_fate fate = fate_of(s);

	if (s->code / 100 == 2) {
		say_hello(s, SMTP_AT_EHLO);
		return;
	}
	if (s->config->skip_5xx_greeting)
		fate = SMTP_SOFT;
	refuse_session(s, "host", "refused to talk to me", fate);
}

static void
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
	refuse_session(s, "host", "refused to talk to me", fate_of(s));
}

static void
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
	fail(s, SMTP_SOFT, "4.7.5", text);
}

/* Answers to AUTH: LOGIN asks for the user, then for the password. */
static void
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
		    c->auth_soft ? SMTP_SOFT : fate_of(s));
	}
}

/* Nobody is to get it: an empty message ends what was begun together. */
static void
abort_data(struct smtp_session *s)
{
	s->stage = SMTP_AT_DOT;
	if (s->config->lmtp) { /* it has no answer then (RFC 2033) */
		end(s, false);
		return;
	}
	buf_put(s->out, SPAN(".\r\n"));
	s->owed = 1;
}

static void
on_data(struct smtp_session *s)
{
	if (s->code / 100 != 3) {
		if (s->accepted > 0)
			refuse(s, NULL);
		end(s, s->code != 421);
	} else if (s->accepted == 0) {
		abort_data(s);
	} else {
		s->stage = SMTP_AT_CONTENT;
		s->want = SMTP_WANT_CONTENT;
	}
}

static void
on_rcpt(struct smtp_session *s, struct smtp_rcpt *r)
{
	if (!s->mail_ok || r->fate != SMTP_OPEN)
		return;
	if (s->code / 100 == 2) {
		r->fate = SMTP_ACCEPTED;
		s->accepted++;
	} else {
		refuse(s, r);
	}
}

/* A reply to RSET, MAIL, RCPT or DATA. */
static void
on_step(struct smtp_session *s)
{
	size_t step = s->got++;

	if (step == step_data(s)) {
		on_data(s);
		return;
	}
	if (step == STEP_RSET && s->code / 100 != 2) {
		s->got--;
		session_broken(s, SMTP_LOST);
		return;
	}
	if (step == STEP_MAIL) {
		s->mail_ok = s->code / 100 == 2;
		if (!s->mail_ok)
			refuse(s, NULL);
	} else if (step >= STEP_RCPT) {
		on_rcpt(s, &s->mail->rcpts[step - STEP_RCPT]);
	}
	/* What was not sent yet is not worth it. */
	if (s->next == s->got &&
	    ((step == STEP_MAIL && !s->mail_ok) ||
		(s->got == step_data(s) && s->accepted == 0)))
		end(s, s->code != 421);
	else if (s->code == 421) {
		refuse(s, NULL);
		end(s, false);
	} else
		advance(s);
}

void
session_content(struct smtp_session *s)
{
	must(s->want == SMTP_WANT_CONTENT);
	s->stage = SMTP_AT_DOT;
	s->want = SMTP_WANT_LINE;
	s->owed = s->config->lmtp ? s->accepted : 1;
}

static void
on_delivered(struct smtp_session *s, struct smtp_rcpt *r)
{
	char text[SMTP_TEXT_MAX], dsn[SMTP_DSN_MAX];
	struct span reply = reply_text(s);

	if (s->code / 100 != 2) {
		refuse(s, r);
		return;
	}
	find_dsn(s, '2', dsn);
	snprintf(text, sizeof(text), "%.*s", (int)reply.n, reply.p);
	if (r)
		decide(s->mail, r, SMTP_SENT, dsn, text);
	else
		mail_decide(s->mail, SMTP_SENT, dsn, text);
}

/* After the dot: one reply, or with LMTP one for each that was accepted. */
static void
on_dot(struct smtp_session *s)
{
	struct smtp_rcpt *r = NULL;

	s->owed--;
	if (s->config->lmtp) {
		while (s->mail->rcpts[s->at].fate != SMTP_ACCEPTED)
			s->at++;
		r = &s->mail->rcpts[s->at++];
	}
	if (s->accepted > 0)
		on_delivered(s, r);
	if (s->owed == 0)
		end(s, s->code != 421);
}

static void
on_reply(struct smtp_session *s)
{
	switch (s->stage) {
	case SMTP_AT_GREETING:
		on_greeting(s);
		break;
	case SMTP_AT_EHLO:
	case SMTP_AT_HELO:
		on_hello(s);
		break;
	case SMTP_AT_STARTTLS:
		on_starttls(s);
		break;
	case SMTP_AT_AUTH:
		on_auth(s);
		break;
	case SMTP_AT_RSET:
	case SMTP_AT_MAIL:
	case SMTP_AT_RCPT:
	case SMTP_AT_DATA:
		on_step(s);
		break;
	case SMTP_AT_DOT:
		on_dot(s);
		break;
	case SMTP_AT_CONTENT:
	case SMTP_AT_END:
	case SMTP_STAGES:
		break;
	}
}

/* Replies that were asked for and are not there, but the one just read. */
static bool
expects_more(const struct smtp_session *s)
{
	if (s->stage == SMTP_AT_DOT)
		return s->owed > 1;
	if (s->stage >= SMTP_AT_RSET && s->stage <= SMTP_AT_DATA)
		return s->next > s->got + 1;
	return false;
}

/* Keeps what there is room for; only what can be shown. */
static void
keep_line(struct smtp_session *s, struct span line)
{
	if (s->reply.n > 0 && buf_room(&s->reply) > 0)
		buf_put(&s->reply, SPAN(" "));
	if (line.n > buf_room(&s->reply))
		line.n = buf_room(&s->reply);
	size_t at = s->reply.n;
	buf_put(&s->reply, line);
	for (size_t i = at; i < s->reply.n; i++)
		if ((unsigned char)s->reply.p[i] < ' ' || s->reply.p[i] == 127)
			s->reply.p[i] = '?';
}

static void
not_smtp(struct smtp_session *s, struct span line)
{
	struct span peer = s->config->peer;
	char text[SMTP_TEXT_MAX];

	s->reply.n = 0;
	keep_line(s, line);
	line = reply_text(s);
	snprintf(text, sizeof(text), "host %.*s does not speak %s: %.*s",
	    (int)peer.n, peer.p, s->config->lmtp ? "LMTP" : "SMTP",
	    line.n > 100 ? 100 : (int)line.n, line.p);
	fail(s, SMTP_SOFT, "4.5.0", text);
}

/* RFC 5321, section 4.2.1: "250-text", at last "250 text" or "250". */
static bool
read_code(struct span line, unsigned *code_r, bool *last_r)
{
	unsigned code = 0;

	if (line.n < 3 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
		code = 10 * code + (unsigned)(line.p[i] - '0');
	}
	*code_r = code;
	*last_r = line.n == 3 || line.p[3] == ' ';
	return code >= 200 && code <= 599;
}

void
session_line(struct smtp_session *s, struct span line, bool more)
{
	bool last;

	must(s->want == SMTP_WANT_LINE);
	if (!read_code(line, &s->code, &last)) {
		not_smtp(s, line);
		return;
	}
	if (s->stage == SMTP_AT_EHLO && s->reply.n > 0)
		take_offer(s, line);
	keep_line(s, line);
	if (!last)
		return;
	if (more && !expects_more(s) && s->stage != SMTP_AT_DOT)
		session_broken(s, SMTP_TALKS_EARLY);
	else
		on_reply(s);
	s->reply.n = 0;
	s->reply.overflow = false;
	if (more && s->want == SMTP_WANT_NOTHING)
		s->reusable = false;
}
