#include "smtp/session.h"

#include "smtp/private.h"

#include <stdio.h>

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
		end_mail(s, false);
		return;
	}
	switch (how) {
	case SMTP_LOST:
		snprintf(text, sizeof(text),
		    "lost connection with %.*s while %s", (int)peer.n, peer.p,
		    session_doing(s));
		break;
	case SMTP_TIMED_OUT:
		snprintf(text, sizeof(text),
		    "conversation with %.*s timed out while %s", (int)peer.n,
		    peer.p, session_doing(s));
		break;
	case SMTP_LINE_TOO_LONG:
		snprintf(text, sizeof(text),
		    "host %.*s sent a line that is too long while %s",
		    (int)peer.n, peer.p, session_doing(s));
		break;
	case SMTP_TALKS_EARLY:
		snprintf(text, sizeof(text),
		    "host %.*s sent a reply that was not asked for while %s",
		    (int)peer.n, peer.p, session_doing(s));
		break;
	}
	fail_session(s, SMTP_SOFT,
	    how == SMTP_LOST || how == SMTP_TIMED_OUT ? "4.4.2" : "4.5.0",
	    text);
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
	case SMTP_AT_XFORWARD:
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

static void
not_smtp(struct smtp_session *s, struct span line)
{
	struct span peer = s->config->peer;
	char text[SMTP_TEXT_MAX];

	s->reply.n = 0;
	reply_keep(s, line);
	line = reply_text(s);
	snprintf(text, sizeof(text), "host %.*s does not speak %s: %.*s",
	    (int)peer.n, peer.p, s->config->lmtp ? "LMTP" : "SMTP",
	    line.n > 100 ? 100 : (int)line.n, line.p);
	fail_session(s, SMTP_SOFT, "4.5.0", text);
}

void
session_line(struct smtp_session *s, struct span line, bool more)
{
	bool last;

	must(s->want == SMTP_WANT_LINE);
	if (!reply_code(line, &s->code, &last)) {
		not_smtp(s, line);
		return;
	}
	if (s->stage == SMTP_AT_EHLO && s->reply.n > 0)
		take_offer(s, line);
	reply_keep(s, line);
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
