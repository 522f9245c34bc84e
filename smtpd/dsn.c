#include "base/scan.h"
#include "base/xtext.h"
#include "queue/notify.h"
#include "smtpd/private.h"

/* Who is not offered it may not use it. */
static bool
is_disabled(struct smtpd_session *s, enum outcome *outcome_r)
{
	if (s->ehlo & SMTPD_EHLO_DSN)
		return false;
	*outcome_r = reply_error(s, "501 5.7.1 DSN support is disabled");
	return true;
}

/*
 * Decodes it, behind a prefix that is kept as it is. False: it is no xtext, or
 * has what would break a line of a report. *full_r: there is no room.
 */
static bool
take_xtext(struct smtpd_session *s, struct span prefix, struct span value,
    struct span *text_r, bool *full_r)
{
	char *text = arena_alloc(s->arena, prefix.n + value.n + 1);
	struct buf b;

	*full_r = !text;
	if (!text)
		return false;
	buf_init(&b, text, prefix.n + value.n + 1);
	buf_put(&b, prefix);
	if (!xtext_decode(value, &b))
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	*text_r = buf_span(&b);
	return true;
}

static enum outcome
reply_full(struct smtpd_session *s)
{
	return reply_error(s, "452 4.3.1 Insufficient system storage");
}

/* RET=FULL or RET=HDRS: RFC 3461, section 4.3. */
static enum outcome
param_ret(struct smtpd_session *s, struct span value)
{
	bool again = s->txn.ret != 0;

	s->txn.ret = span_ieq(value, SPAN("FULL")) ? QUEUE_RET_FULL
	    : span_ieq(value, SPAN("HDRS"))        ? QUEUE_RET_HDRS
						   : 0;
	if (again || s->txn.ret == 0)
		return reply_error(s, "501 5.5.4 Bad RET parameter syntax");
	return OUTCOME_OK;
}

/* ENVID=xtext: section 4.4. */
static enum outcome
param_envid(struct smtpd_session *s, struct span value)
{
	bool full = false;

	if (!s->txn.envid.p && value.n > 0 &&
	    take_xtext(s, SPAN(""), value, &s->txn.envid, &full))
		return OUTCOME_OK;
	return full ? reply_full(s)
		    : reply_error(s, "501 5.5.4 Bad ENVID parameter syntax");
}

bool
dsn_mail_param(struct smtpd_session *s, struct span word,
    enum outcome *outcome_r)
{
	if (take_text(&word, SPAN("RET="))) {
		if (!is_disabled(s, outcome_r))
			*outcome_r = param_ret(s, word);
		return true;
	}
	if (take_text(&word, SPAN("ENVID="))) {
		if (!is_disabled(s, outcome_r))
			*outcome_r = param_envid(s, word);
		return true;
	}
	return false;
}

/* One word of NOTIFY; 0: it is none. */
static unsigned
notify_bit(struct span word)
{
	static const struct {
		struct span word;
		unsigned bit;
	} rows[] = {
		{ SPAN_INIT("NEVER"), QUEUE_NOTIFY_NEVER },
		{ SPAN_INIT("SUCCESS"), QUEUE_NOTIFY_SUCCESS },
		{ SPAN_INIT("FAILURE"), QUEUE_NOTIFY_FAILURE },
		{ SPAN_INIT("DELAY"), QUEUE_NOTIFY_DELAY },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(word, rows[i].word))
			return rows[i].bit;
	return 0;
}

/*
 * NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY: section 4.1. Empty words between
 * commas, which it does not have, are passed over as by Postfix. 0: bad.
 */
static unsigned
take_notify(struct span value)
{
	unsigned bits = 0;

	while (value.n > 0) {
		struct span word = span_cut(&value, ',');
		unsigned bit = notify_bit(word);

		if (word.n > 0 && bit == 0)
			return 0;
		bits |= bit;
	}
	return bits & QUEUE_NOTIFY_NEVER && bits != QUEUE_NOTIFY_NEVER ? 0
								       : bits;
}

static enum outcome
param_notify(struct smtpd_session *s, struct span value)
{
	bool again = s->checked.notify != 0;

	s->checked.notify = take_notify(value);
	if (again || s->checked.notify == 0)
		return reply_error(s,
		    "501 5.5.4 Error: Bad NOTIFY parameter syntax");
	return OUTCOME_OK;
}

/* ORCPT=kind;xtext: section 4.2. */
static enum outcome
param_orcpt(struct smtpd_session *s, struct span value)
{
	struct span kind = value, addr = value;
	bool full = false;

	span_cut(&addr, ';');
	kind.n = value.n - addr.n;
	if (!s->checked.orcpt.p && kind.n > 1 && kind.p[kind.n - 1] == ';' &&
	    take_xtext(s, kind, addr, &s->checked.orcpt, &full))
		return OUTCOME_OK;
	return full
	    ? reply_full(s)
	    : reply_error(s, "501 5.5.4 Error: Bad ORCPT parameter syntax");
}

bool
dsn_rcpt_param(struct smtpd_session *s, struct span word,
    enum outcome *outcome_r)
{
	if (take_text(&word, SPAN("NOTIFY="))) {
		if (!is_disabled(s, outcome_r))
			*outcome_r = param_notify(s, word);
		return true;
	}
	if (take_text(&word, SPAN("ORCPT="))) {
		if (!is_disabled(s, outcome_r))
			*outcome_r = param_orcpt(s, word);
		return true;
	}
	return false;
}
