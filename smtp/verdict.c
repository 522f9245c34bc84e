#include "smtp/private.h"

#include <stdio.h>

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
	[SMTP_AT_XFORWARD] = { "sending XFORWARD", "XFORWARD command" },
	[SMTP_AT_MAIL] = { "sending MAIL FROM", "MAIL FROM command" },
	[SMTP_AT_RCPT] = { "sending RCPT TO", "RCPT TO command" },
	[SMTP_AT_DATA] = { "sending DATA command", "DATA command" },
	[SMTP_AT_CONTENT] = { "sending message body", "" },
	[SMTP_AT_DOT] = { "sending end of data -- message may be sent more than "
			  "once",
	    "end of DATA command" },
	[SMTP_AT_END] = { "sending QUIT", "QUIT command" },
};

const char *
session_doing(const struct smtp_session *s)
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

void
decide_rcpt(struct smtp_mail *m, struct smtp_rcpt *r, enum smtp_fate fate,
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
void
end_mail(struct smtp_session *s, bool reusable)
{
	s->stage = SMTP_AT_END;
	s->want = SMTP_WANT_NOTHING;
	s->reusable = reusable;
}

/* The whole session failed, and so all that is undecided. */
void
fail_session(struct smtp_session *s, enum smtp_fate fate, const char *dsn,
    const char *text)
{
	mail_decide(s->mail, fate, dsn, text);
	s->site = true;
	end_mail(s, false);
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
void
refuse_mail(struct smtp_session *s, struct smtp_rcpt *r)
{
	enum smtp_fate fate = reply_fate(s);
	char text[SMTP_TEXT_MAX], dsn[SMTP_DSN_MAX];

	reply_dsn(s, fate == SMTP_BOUNCED ? '5' : '4', dsn);
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
		decide_rcpt(s->mail, r, fate, dsn, text);
	else
		mail_decide(s->mail, fate, dsn, text);
}

/* The session as a whole is refused: "host X refused to talk to me: ...". */
void
refuse_session(struct smtp_session *s, const char *before, const char *behind,
    enum smtp_fate fate)
{
	struct span peer = s->config->peer, reply = reply_text(s);
	char text[SMTP_TEXT_MAX], dsn[SMTP_DSN_MAX];

	reply_dsn(s, fate == SMTP_BOUNCED ? '5' : '4', dsn);
	snprintf(text, sizeof(text), "%s %.*s %s: %.*s", before, (int)peer.n,
	    peer.p, behind, (int)reply.n, reply.p);
	fail_session(s, fate, dsn, text);
}
