#include "base/scan.h"
#include "mail/address.h"
#include "smtpd/private.h"

#include <stdio.h>

enum {
	/* Checks that wait for RCPT where smtpd_delay_reject is set. */
	EARLY_LISTS = BIT(ACCESS_CLIENT) | BIT(ACCESS_HELO) |
	    BIT(ACCESS_SENDER),
	RCPT_LISTS = BIT(ACCESS_RELAY) | BIT(ACCESS_RECIPIENT) |
	    BIT(ACCESS_LISTED),
};

/* Keeps the name of the client. It is told in headers: only what is visible. */
static void
keep_helo(struct smtpd_session *s, struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		s->helo[i] = c > ' ' && c < 0x7f && !strchr("<>()\\\";@", c)
		    ? c
		    : '?';
	}
	s->helo[name.n] = '\0';
	s->facts.helo = session_helo(s);
}

static enum outcome
greet_back(struct smtpd_session *s)
{
	static const struct {
		unsigned bit;
		const char *keyword;
	} rows[] = {
		{ SMTPD_EHLO_PIPELINING, "PIPELINING" },
		{ SMTPD_EHLO_SIZE, "SIZE" },
		{ SMTPD_EHLO_VRFY, "VRFY" },
		{ SMTPD_EHLO_STARTTLS, "STARTTLS" },
		{ SMTPD_EHLO_AUTH, "AUTH" },
		{ SMTPD_EHLO_ENHANCED, "ENHANCEDSTATUSCODES" },
		{ SMTPD_EHLO_8BITMIME, "8BITMIME" },
		{ SMTPD_EHLO_DSN, "DSN" },
	};
	const char *before = s->config->myhostname;
	char size[40] = "SIZE", auth[AUTH_KEYWORD_MAX];

	if (!s->esmtp)
		return reply_ok(s, "250 %s", before);
	if (s->config->size_limit)
		snprintf(size, sizeof(size), "SIZE %llu",
		    (unsigned long long)s->config->size_limit);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned bit = rows[i].bit;

		if (!(s->ehlo & bit) ||
		    (bit == SMTPD_EHLO_STARTTLS && s->tls) ||
		    (bit == SMTPD_EHLO_AUTH && !auth_keyword(s, auth)))
			continue;
		reply_ok(s, "250-%s", before);
		before = bit == SMTPD_EHLO_SIZE ? size
		    : bit == SMTPD_EHLO_AUTH    ? auth
						: rows[i].keyword;
		/* As clients of old want it, before there was RFC 2554. */
		if (bit == SMTPD_EHLO_AUTH && s->config->auth_old_form)
			reply_ok(s, "250-AUTH=%s", auth + strlen("AUTH "));
	}
	return reply_ok(s, "250 %s", before);
}

static enum outcome
hello(struct smtpd_session *s, struct span name, bool esmtp)
{
	if (name.n == 0 || name.n > SMTPD_HELO_MAX)
		return reply_error(s, "501 Syntax: %s hostname",
		    esmtp ? "EHLO" : "HELO");
	s->hello = SMTPD_HELLO;
	txn_reset(s);
	s->esmtp = esmtp;
	keep_helo(s, name);
	if (!s->config->delay_reject && wants_access(s, BIT(ACCESS_HELO)))
		return OUTCOME_WAITS;
	return greet_back(s);
}

enum outcome
cmd_helo(struct smtpd_session *s, struct span arg)
{
	return hello(s, arg, false);
}

enum outcome
cmd_ehlo(struct smtpd_session *s, struct span arg)
{
	return hello(s, arg, true);
}

enum outcome
helo_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (v->action != ACCESS_REJECT)
		return greet_back(s);
	s->hello = SMTPD_START;
	enter(s, SMTPD_START);
	return reply_verdict(s, v);
}

static unsigned
address_flags(const struct smtpd_session *s)
{
	return s->config->strict_envelopes ? ADDRESS_STRICT : 0;
}

/* The address of a command up to its >, or its first word: for the log. */
static struct span
address_text(struct span arg)
{
	const char *end;

	take_blanks(&arg);
	end = arg.n && arg.p[0] == '<' ? memchr(arg.p, '>', arg.n) : NULL;
	if (end)
		arg.n = (size_t)(end - arg.p) + 1;
	return arg;
}

static void
log_address(struct smtpd_session *s, struct span arg)
{
	s->log.kind = SMTPD_LOG_ADDRESS;
	s->log.text = address_text(arg);
}

/* Takes a path in its canonical form, kept for the transaction. */
static bool
take_address(struct smtpd_session *s, struct span *arg, struct span *addr_r,
    bool *full_r)
{
	char canonical[ADDRESS_MAX];
	struct address address;
	struct span rest = *arg;
	struct buf b;

	*full_r = false;
	if (!take_path(&rest, address_flags(s), &address))
		return false;
	if (rest.n > 0 && rest.p[0] != ' ' && rest.p[0] != '\t')
		return false;
	buf_init(&b, canonical, sizeof(canonical));
	address_put(&address, &b);
	addr_r->p = arena_dup(s->arena, buf_span(&b));
	addr_r->n = b.n;
	*full_r = !addr_r->p;
	*arg = rest;
	return true;
}

static enum outcome
reply_full(struct smtpd_session *s)
{
	return reply_error(s, "452 4.3.1 Insufficient system storage");
}

static enum outcome
unsupported(struct smtpd_session *s, struct span word)
{
	return reply_error(s, "555 5.5.4 Unsupported option: %.*s",
	    (int)(word.n < 100 ? word.n : 100), word.p);
}

static bool
is_digits(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0;
}

/* SIZE=n: RFC 1870. */
static enum outcome
param_size(struct smtpd_session *s, struct span value)
{
	uint64_t limit = s->config->size_limit;

	if (!is_digits(value))
		return reply_error(s, "501 5.5.4 Bad message size syntax");
	if (!take_number(&value, INT64_MAX, &s->txn.size))
		return reply_error(s,
		    "552 5.3.4 Message size exceeds file system imposed "
		    "limit");
	if (limit > 0 && s->txn.size > limit)
		return reply_reject(s,
		    "552 5.3.4 Message size exceeds fixed limit");
	return OUTCOME_OK;
}

static enum outcome
mail_param(struct smtpd_session *s, struct span word)
{
	struct span value = word;
	enum outcome o;

	if (take_text(&value, SPAN("SIZE=")) && (s->ehlo & SMTPD_EHLO_SIZE))
		return param_size(s, value);
	if (span_ieq(word, SPAN("BODY=8BITMIME")) &&
	    (s->ehlo & SMTPD_EHLO_8BITMIME)) {
		s->txn.is_8bit = true;
		return OUTCOME_OK;
	}
	if (span_ieq(word, SPAN("BODY=7BIT")) ||
	    take_text(&value, SPAN("AUTH=")))
		return OUTCOME_OK;
	return dsn_mail_param(s, word, &o) ? o : unsupported(s, word);
}

static enum outcome
drop_mail(struct smtpd_session *s, enum outcome o)
{
	s->txn.size = 0;
	s->txn.is_8bit = false;
	s->txn.envid = (struct span){ 0 };
	s->txn.ret = 0;
	if (s->log.kind != SMTPD_LOG_REJECT) {
		arena_reset(s->arena);
		s->facts.sender = (struct span){ 0 };
	}
	return o;
}

enum outcome
cmd_mail(struct smtpd_session *s, struct span arg)
{
	struct span word, before;
	bool full;

	if (!take_text(&arg, SPAN("FROM:")) || arg.n == 0)
		return reply_error(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
	before = arg;
	txn_reset(s);
	if (!take_address(s, &arg, &s->txn.sender, &full)) {
		log_address(s, before);
		return reply_error(s, "501 5.1.7 Bad sender address syntax");
	}
	if (full)
		return reply_full(s);
	s->facts.sender = s->txn.sender;
	for (take_blanks(&arg); take_word(&arg, &word); take_blanks(&arg)) {
		enum outcome o = mail_param(s, word);

		if (o != OUTCOME_OK)
			return drop_mail(s, o);
	}
	if (!s->config->delay_reject && wants_access(s, BIT(ACCESS_SENDER)))
		return OUTCOME_WAITS;
	return want(s, SMTPD_WANT_SPACE);
}

enum outcome
mail_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (v->action == ACCESS_REJECT)
		return drop_mail(s, reply_verdict(s, v));
	return want(s, SMTPD_WANT_SPACE);
}

enum outcome
mail_has_room(struct smtpd_session *s, bool is_room)
{
	if (!is_room)
		return drop_mail(s,
		    reply_reject(s, "452 4.3.1 Insufficient system storage"));
	enter(s, SMTPD_MAIL);
	return reply_ok(s, "250 2.1.0 Ok");
}

static enum outcome
rcpt_params(struct smtpd_session *s, struct span arg)
{
	struct span word;

	enum outcome o = OUTCOME_OK;

	for (take_blanks(&arg); take_word(&arg, &word); take_blanks(&arg)) {
		if (!dsn_rcpt_param(s, word, &o))
			return unsupported(s, word);
		if (o != OUTCOME_OK)
			return o;
	}
	return OUTCOME_OK;
}

static enum outcome
add_rcpt(struct smtpd_session *s)
{
	struct smtpd_rcpt *r = ARENA_NEW(s->arena, struct smtpd_rcpt);

	s->facts.rcpt = (struct span){ 0 };
	if (!r)
		return reply_full(s);
	*r = s->checked;
	*s->txn.end = r;
	s->txn.end = &r->next;
	s->txn.n++;
	enter(s, SMTPD_RCPT);
	return reply_ok(s, "250 2.1.5 Ok");
}

static unsigned
rcpt_lists(const struct smtpd_session *s)
{
	return RCPT_LISTS | (s->config->delay_reject ? EARLY_LISTS : 0);
}

enum outcome
cmd_rcpt(struct smtpd_session *s, struct span arg)
{
	struct span before;
	bool full;

	if (!take_text(&arg, SPAN("TO:")) || arg.n == 0)
		return reply_error(s, "501 5.5.4 Syntax: RCPT TO:<address>");
	before = arg;
	s->checked = (struct smtpd_rcpt){ 0 };
	/* Refused ones take room too, but a bounded one: see below. */
	if (!take_address(s, &arg, &s->checked.addr, &full) ||
	    (!full && s->checked.addr.n == 0)) {
		log_address(s, before);
		return reply_error(s, "501 5.1.3 Bad recipient address syntax");
	}
	if (full)
		return reply_full(s);
	enum outcome o = rcpt_params(s, arg);
	if (o != OUTCOME_OK)
		return o;
	if (s->txn.n >= (size_t)s->config->rcpt_limit) {
		bool is_many = s->txn.overshoot++ >=
		    (size_t)s->config->rcpt_overshoot;

		reply_ok(s, "452 4.5.3 Error: too many recipients");
		s->slow = is_many;
		return is_many ? OUTCOME_ERROR : OUTCOME_OK;
	}
	s->facts.rcpt = s->checked.addr;
	/* RFC 5321, section 4.5.1: always. */
	if (!span_ieq(s->checked.addr, SPAN("postmaster")) &&
	    wants_access(s, rcpt_lists(s)))
		return OUTCOME_WAITS;
	return add_rcpt(s);
}

enum outcome
rcpt_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (v->action == ACCESS_REJECT)
		return reply_verdict(s, v);
	return add_rcpt(s);
}

enum outcome
cmd_vrfy(struct smtpd_session *s, struct span arg)
{
	struct span before = arg;
	bool full;

	if (s->config->vrfy_disabled)
		return reply_error(s, "502 5.5.1 VRFY command is disabled");
	if (arg.n == 0)
		return reply_error(s, "501 5.5.4 Syntax: VRFY address");
	if (!take_address(s, &arg, &s->checked.addr, &full) || arg.n > 0 ||
	    (!full && s->checked.addr.n == 0)) {
		log_address(s, before);
		return reply_error(s, "501 5.1.3 Bad recipient address syntax");
	}
	if (full)
		return reply_full(s);
	s->facts.rcpt = s->checked.addr;
	if (wants_access(s, rcpt_lists(s)))
		return OUTCOME_WAITS;
	return vrfy_checked(s, &(struct access_verdict){ 0 });
}

enum outcome
vrfy_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (v->action == ACCESS_REJECT)
		return reply_verdict(s, v);
	s->facts.rcpt = (struct span){ 0 };
	return reply_ok(s, "252 2.0.0 %.*s", (int)s->checked.addr.n,
	    s->checked.addr.p);
}
