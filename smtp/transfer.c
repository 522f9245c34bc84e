#include "smtp/private.h"

#include <stdio.h>

enum {
	STEP_RSET = 0,
	STEP_XFORWARD = 1, /* where ->forwards */
};

/* Behind it there are as many more as there are recipients, and DATA. */
static size_t
step_mail(const struct smtp_session *s)
{
	return s->forwards ? STEP_XFORWARD + 1 : STEP_XFORWARD;
}

static size_t
step_data(const struct smtp_session *s)
{
	return step_mail(s) + 1 + s->mail->n;
}

static struct smtp_rcpt *
rcpt_of_step(const struct smtp_session *s, size_t step)
{
	return &s->mail->rcpts[step - step_mail(s) - 1];
}

static enum smtp_stage
stage_of_step(const struct smtp_session *s, size_t step)
{
	if (step == STEP_RSET)
		return SMTP_AT_RSET;
	if (step == step_mail(s))
		return SMTP_AT_MAIL;
	if (step < step_mail(s))
		return SMTP_AT_XFORWARD;
	return step == step_data(s) ? SMTP_AT_DATA : SMTP_AT_RCPT;
}

static void
send_step(struct smtp_session *s, size_t step)
{
	if (step == STEP_RSET)
		buf_put(s->out, SPAN("RSET\r\n"));
	else if (step < step_mail(s))
		command_xforward(s->out, s->mail, s->forward);
	else if (step == step_mail(s))
		command_mail(s->out, s->mail, s->features);
	else if (step == step_data(s))
		buf_put(s->out, SPAN("DATA\r\n"));
	else
		command_rcpt(s->out, rcpt_of_step(s, step), s->features);
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
	end_mail(s, true);
	return true;
}

void
begin_mail(struct smtp_session *s)
{
	s->mail_ok = false;
	s->accepted = 0;
	s->at = 0;
	s->owed = 0;
	s->forwards = s->config->xforward && s->forward &&
	    s->mail->client_name.n > 0;
	s->next = s->got = s->kept ? STEP_RSET : STEP_XFORWARD;
	if (!refuse_here(s))
		advance(s);
}

/* Nobody is to get it: an empty message ends what was begun together. */
static void
abort_data(struct smtp_session *s)
{
	s->stage = SMTP_AT_DOT;
	if (s->config->lmtp) { /* it has no answer then (RFC 2033) */
		end_mail(s, false);
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
			refuse_mail(s, NULL);
		end_mail(s, s->code != 421);
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
		refuse_mail(s, r);
	}
}

/* A reply to RSET, MAIL, RCPT or DATA. */
void
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
	if (step == step_mail(s)) {
		s->mail_ok = s->code / 100 == 2;
		if (!s->mail_ok)
			refuse_mail(s, NULL);
	} else if (step > step_mail(s)) {
		on_rcpt(s, rcpt_of_step(s, step));
	}
	/* What was not sent yet is not worth it. */
	if (s->next == s->got &&
	    ((step == step_mail(s) && !s->mail_ok) ||
		(s->got == step_data(s) && s->accepted == 0)))
		end_mail(s, s->code != 421);
	else if (s->code == 421) {
		refuse_mail(s, NULL);
		end_mail(s, false);
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
		refuse_mail(s, r);
		return;
	}
	reply_dsn(s, '2', dsn);
	snprintf(text, sizeof(text), "%.*s", (int)reply.n, reply.p);
	for (size_t i = 0; i < s->mail->n; i++)
		if (!r || r == &s->mail->rcpts[i])
			s->mail->rcpts[i].passed_on = s->features &
			    SMTP_HAS_DSN;
	if (r)
		decide_rcpt(s->mail, r, SMTP_SENT, dsn, text);
	else
		mail_decide(s->mail, SMTP_SENT, dsn, text);
}

/* After the dot: one reply, or with LMTP one for each that was accepted. */
void
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
		end_mail(s, s->code != 421);
}
