#include "smtpd/private.h"

static enum outcome
go_ahead(struct smtpd_session *s)
{
	enter(s, SMTPD_DATA);
	s->want = SMTPD_WANT_DATA;
	return reply_ok(s, "354 End data with <CR><LF>.<CR><LF>");
}

enum outcome
cmd_data(struct smtpd_session *s, struct span arg)
{
	if (s->state == SMTPD_MAIL)
		return reply_error(s, "554 5.5.1 Error: no valid recipients");
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: DATA");
	s->facts.rcpt = (struct span){ 0 };
	if (s->txn.n == 1)
		s->facts.rcpt = s->txn.rcpts->addr;
	if (wants_access(s, BIT(ACCESS_DATA)))
		return OUTCOME_WAITS;
	return go_ahead(s);
}

/* Before the data, or behind it. */
enum outcome
data_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (s->state == SMTPD_DATA) {
		if (v->action != ACCESS_REJECT)
			return want(s, SMTPD_WANT_COMMIT);
		reply_verdict(s, v);
		if (s->state != SMTPD_DONE)
			txn_reset(s);
		s->all[SMTPD_CMD_DATA]--;
		s->ok[SMTPD_CMD_DATA]--;
		return OUTCOME_ERROR;
	}
	if (v->action == ACCESS_REJECT)
		return reply_verdict(s, v);
	return go_ahead(s);
}
