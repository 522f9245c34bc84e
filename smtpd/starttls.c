/* STARTTLS (RFC 3207): what is said of it, and what is forgotten after it. */
#include "smtpd/private.h"

bool
lacks_tls(const struct smtpd_session *s)
{
	static const unsigned in_the_clear = BIT(SMTPD_CMD_HELO) |
	    BIT(SMTPD_CMD_EHLO) | BIT(SMTPD_CMD_STARTTLS) |
	    BIT(SMTPD_CMD_NOOP) | BIT(SMTPD_CMD_QUIT);

	return s->config->tls_required && !s->tls &&
	    !(in_the_clear & BIT(s->command));
}

enum outcome
cmd_starttls(struct smtpd_session *s, struct span arg)
{
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: STARTTLS");
	if (s->tls)
		return reply_error(s, "554 5.5.1 Error: TLS already active");
	if (s->config->tls_broken)
		return reply_error(s,
		    "454 4.7.0 TLS not available due to local problem");
	if (!(s->ehlo & SMTPD_EHLO_STARTTLS))
		return reply_error(s,
		    "502 5.5.1 Error: command not implemented");
	reply_ok(s, "220 2.0.0 Ready to start TLS");
	return want(s, SMTPD_WANT_TLS);
}

/* Section 4.2: what was learned in the clear may have been anybody's. */
enum smtpd_want
session_tls(struct smtpd_session *s, bool is_on)
{
	begin_step(s, SMTPD_WANT_TLS);
	if (!is_on) {
		enter(s, SMTPD_DONE);
		return conclude(s, OUTCOME_ERROR);
	}
	s->tls = true;
	s->esmtp = false;
	s->hello = SMTPD_START;
	s->helo[0] = '\0';
	auth_forget(s);
	txn_reset(s);
	s->facts.helo = session_helo(s);
	return conclude(s, OUTCOME_OK);
}

struct span
session_with(const struct smtpd_session *s)
{
	if (!s->esmtp)
		return SPAN("SMTP");
	if (s->auth.done)
		return s->tls ? SPAN("ESMTPSA") : SPAN("ESMTPA");
	return s->tls ? SPAN("ESMTPS") : SPAN("ESMTP");
}
