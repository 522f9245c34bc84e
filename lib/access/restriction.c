#include "access/private.h"

#include "mail/address.h"

#include <stdio.h>
#include <string.h>

enum {
	ALL = BIT(ACCESS_LISTS) - 1,
	SUBJECT_MAX = 256, /* of what a reply tells back */
};

static const char *
fact(struct span s, char text[SUBJECT_MAX])
{
	int n = (int)(s.n < SUBJECT_MAX ? s.n : SUBJECT_MAX - 1);

	snprintf(text, SUBJECT_MAX, "%.*s", n, s.p ? s.p : "");
	return text;
}

static const char *
client(const struct access_eval *e, char text[SUBJECT_MAX])
{
	struct span name = e->facts->client_name, addr = e->facts->client_addr;

	snprintf(text, SUBJECT_MAX, "%.*s[%.*s]",
	    (int)(name.n < 150 ? name.n : 150), name.p ? name.p : "",
	    (int)(addr.n < 90 ? addr.n : 90), addr.p ? addr.p : "");
	return text;
}

static const char *const names[ACCESS_LISTS] = {
	[ACCESS_CLIENT] = "Client host",
	[ACCESS_HELO] = "Helo command",
	[ACCESS_SENDER] = "Sender address",
	[ACCESS_RELAY] = "Recipient address",
	[ACCESS_RECIPIENT] = "Recipient address",
	[ACCESS_LISTED] = "Recipient address",
	[ACCESS_DATA] = "Data command",
	[ACCESS_END_OF_DATA] = "End-of-data",
};

/* What the list we are in is about, as replies tell it. */
static const char *
list_subject(const struct access_eval *e, char text[SUBJECT_MAX])
{
	switch (e->list) {
	case ACCESS_CLIENT:
		return client(e, text);
	case ACCESS_HELO:
		return fact(e->facts->helo, text);
	case ACCESS_SENDER:
		return fact(e->facts->sender, text);
	case ACCESS_RELAY:
	case ACCESS_RECIPIENT:
	case ACCESS_LISTED:
		return fact(e->facts->rcpt, text);
	case ACCESS_DATA:
		return "DATA";
	case ACCESS_END_OF_DATA:
		return "END-OF-MESSAGE";
	case ACCESS_LISTS:
		break;
	}
	return "";
}

static enum access_outcome
step_permit(struct access_eval *e, const struct access_rule *r)
{
	(void)e;
	(void)r;
	return OUTCOME_PERMIT;
}

static enum access_outcome
step_reject(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	(void)r;
	return access_refuse(e, 554, "5.7.1",
	    "<%s>: %s rejected: Access denied", list_subject(e, text),
	    names[e->list]);
}

static enum access_outcome
step_defer(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	(void)r;
	return access_refuse(e, 450, "4.3.2",
	    "<%s>: %s rejected: Try again later", list_subject(e, text),
	    names[e->list]);
}

enum access_outcome
access_keep(struct access_eval *e, struct access_verdict *where)
{
	if (e->current.warn_only)
		return OUTCOME_DECIDED; /* as a refusal, which is told */
	if (!where->code)
		*where = e->verdict;
	e->verdict = (struct access_verdict){ 0 };
	return OUTCOME_DUNNO;
}

static enum access_outcome
step_defer_if_permit(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	(void)r;
	access_refuse(e, 450, "4.7.0",
	    "<%s>: %s rejected: defer_if_permit requested",
	    list_subject(e, text), names[e->list]);
	return access_keep(e, &e->if_permit);
}

static enum access_outcome
step_defer_if_reject(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	(void)r;
	access_refuse(e, 450, "4.7.0",
	    "<%s>: %s rejected: defer_if_reject requested",
	    list_subject(e, text), names[e->list]);
	return access_keep(e, &e->if_reject);
}

static enum access_outcome
step_permit_mynetworks(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return e->facts->client_is_ours ? OUTCOME_PERMIT : OUTCOME_DUNNO;
}

static enum access_outcome
step_permit_sasl(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return e->facts->authenticated ? OUTCOME_PERMIT : OUTCOME_DUNNO;
}

static enum access_outcome
ask(struct access_eval *e, enum access_want want, struct span subject)
{
	e->want = want;
	e->subject = subject;
	return OUTCOME_ASK;
}

static enum access_outcome
refuse_lookup(struct access_eval *e, const char *subject)
{
	return access_refuse(e, 451, "4.3.0", "<%s>: Temporary lookup failure",
	    subject);
}

/* Is mail to the recipient ours to take? Asks; DUNNO: the answer is there. */
static enum access_outcome
ask_route(struct access_eval *e)
{
	char text[SUBJECT_MAX];

	if (!e->answered)
		return ask(e, ACCESS_WANT_ROUTE, e->facts->rcpt);
	if (e->answer == ACCESS_TEMPFAIL)
		return refuse_lookup(e, fact(e->facts->rcpt, text));
	return OUTCOME_DUNNO;
}

static enum access_outcome
step_permit_auth_destination(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	if (!e->facts->rcpt.p)
		return OUTCOME_DUNNO;
	enum access_outcome o = ask_route(e);
	if (o == OUTCOME_DUNNO && e->answer == ACCESS_YES)
		return OUTCOME_PERMIT;
	return o;
}

static enum access_outcome
check_destination(struct access_eval *e, unsigned code, const char *dsn)
{
	char text[SUBJECT_MAX];

	if (!e->facts->rcpt.p)
		return OUTCOME_DUNNO;
	enum access_outcome o = ask_route(e);
	if (o == OUTCOME_DUNNO && e->answer == ACCESS_NO)
		return access_refuse(e, code, dsn, "<%s>: Relay access denied",
		    fact(e->facts->rcpt, text));
	return o;
}

static enum access_outcome
step_reject_unauth(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_destination(e, 554, "5.7.1");
}

static enum access_outcome
step_defer_unauth(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_destination(e, 454, "4.7.1");
}

/* Nothing but digits and dots is an address that lacks its brackets. */
static bool
is_numeric(struct span host)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
			return false;
	return true;
}

/* A name of a host, with a dot within if it has to be `full`. */
static bool
is_host(struct span host, bool full)
{
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	return address_is_hostname(host) && !is_numeric(host) &&
	    (!full || memchr(host.p, '.', host.n));
}

static enum access_outcome
check_helo(struct access_eval *e, bool full, unsigned code, const char *wrong)
{
	struct span helo = e->facts->helo;
	bool is_literal = helo.n > 0 && helo.p[0] == '[';
	char text[SUBJECT_MAX];

	if (!helo.p ||
	    (is_literal ? address_is_literal(helo) : is_host(helo, full)))
		return OUTCOME_DUNNO;
	return access_refuse(e, is_literal ? 501 : code, "5.5.2",
	    "<%s>: %s rejected: %s", fact(helo, text), names[ACCESS_HELO],
	    is_literal ? "invalid ip address" : wrong);
}

static enum access_outcome
step_invalid_helo(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_helo(e, false, 501, "Invalid name");
}

static enum access_outcome
step_non_fqdn_helo(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_helo(e, true, 504, "need fully-qualified hostname");
}

static enum access_outcome
check_fqdn(struct access_eval *e, struct span addr, const char *name)
{
	char text[SUBJECT_MAX];
	size_t at = addr.n;

	if (addr.n == 0)
		return OUTCOME_DUNNO;
	while (at > 0 && addr.p[at - 1] != '@')
		at--;
	struct span domain = { addr.p + at, addr.n - at };
	if (at > 0 && (address_is_literal(domain) || is_host(domain, true)))
		return OUTCOME_DUNNO;
	return access_refuse(e, 504, "5.5.2",
	    "<%s>: %s rejected: need fully-qualified address", fact(addr, text),
	    name);
}

static enum access_outcome
step_non_fqdn_sender(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_fqdn(e, e->facts->sender, names[ACCESS_SENDER]);
}

static enum access_outcome
step_non_fqdn_recipient(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_fqdn(e, e->facts->rcpt, names[ACCESS_RECIPIENT]);
}

static enum access_outcome
check_listed(struct access_eval *e, struct span addr, const char *dsn,
    const char *name)
{
	char text[SUBJECT_MAX];

	if (addr.n == 0)
		return OUTCOME_DUNNO;
	if (!e->answered)
		return ask(e, ACCESS_WANT_LISTED, addr);
	switch (e->answer) {
	case ACCESS_YES:
		return OUTCOME_DUNNO;
	case ACCESS_TEMPFAIL:
		return refuse_lookup(e, fact(addr, text));
	case ACCESS_NO:
		break;
	}
	return access_refuse(e, 550, dsn, "<%s>: %s rejected: %.*s",
	    fact(addr, text), name, (int)(e->value.n < 100 ? e->value.n : 100),
	    e->value.p);
}

static enum access_outcome
step_unlisted_recipient(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_listed(e, e->facts->rcpt, "5.1.1",
	    names[ACCESS_RECIPIENT]);
}

static enum access_outcome
step_unlisted_sender(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_listed(e, e->facts->sender, "5.1.0", names[ACCESS_SENDER]);
}

static bool
is_owner(struct span owners, struct span user)
{
	struct span word;

	while (take_element(&owners, &word))
		if (span_ieq(word, user))
			return true;
	return false;
}

/*
 * Whose address the sender is, and who is logged in: `known`, an address that
 * nobody owns is free for those who are.
 */
static enum access_outcome
check_owner(struct access_eval *e, bool of_users, bool of_others, bool known)
{
	char text[SUBJECT_MAX], user[SUBJECT_MAX];
	const struct access_facts *f = e->facts;

	if (f->sender.n == 0 || !(f->authenticated ? of_users : of_others))
		return OUTCOME_DUNNO;
	if (!e->answered)
		return ask(e, ACCESS_WANT_OWNERS, f->sender);
	if (e->answer == ACCESS_TEMPFAIL)
		return refuse_lookup(e, fact(f->sender, text));
	if (!f->authenticated)
		return e->answer == ACCESS_NO
		    ? OUTCOME_DUNNO
		    : access_refuse(e, 553, "5.7.1",
			  "<%s>: Sender address rejected: not logged in",
			  fact(f->sender, text));
	if (e->answer == ACCESS_NO ? known : is_owner(e->value, f->user))
		return OUTCOME_DUNNO;
	return access_refuse(e, 553, "5.7.1",
	    "<%s>: Sender address rejected: not owned by user %s",
	    fact(f->sender, text), fact(f->user, user));
}

static enum access_outcome
step_login_mismatch(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_owner(e, true, true, false);
}

static enum access_outcome
step_auth_login_mismatch(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_owner(e, true, false, false);
}

static enum access_outcome
step_known_login_mismatch(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_owner(e, true, false, true);
}

static enum access_outcome
step_unauth_login_mismatch(struct access_eval *e, const struct access_rule *r)
{
	(void)r;
	return check_owner(e, false, true, false);
}

static enum access_outcome
check_table(struct access_eval *e, const struct access_rule *r,
    enum access_form form, struct span subject, const char *told,
    const char *name)
{
	if (!subject.p)
		return OUTCOME_DUNNO;
	if (!e->answered) {
		e->table = r->target;
		e->form = form;
		return ask(e, ACCESS_WANT_TABLE, subject);
	}
	switch (e->answer) {
	case ACCESS_NO:
		return OUTCOME_DUNNO;
	case ACCESS_TEMPFAIL:
		return refuse_lookup(e, told);
	case ACCESS_YES:
		break;
	}
	return access_apply(e, e->value, name, told);
}

static enum access_outcome
step_client_access(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	return check_table(e, r, ACCESS_FORM_CLIENT, e->facts->client_addr,
	    client(e, text), names[ACCESS_CLIENT]);
}

static enum access_outcome
step_helo_access(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	return check_table(e, r, ACCESS_FORM_HOST, e->facts->helo,
	    fact(e->facts->helo, text), names[ACCESS_HELO]);
}

static enum access_outcome
step_sender_access(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	return check_table(e, r, ACCESS_FORM_ADDRESS, e->facts->sender,
	    fact(e->facts->sender, text), names[ACCESS_SENDER]);
}

static enum access_outcome
step_recipient_access(struct access_eval *e, const struct access_rule *r)
{
	char text[SUBJECT_MAX];

	return check_table(e, r, ACCESS_FORM_ADDRESS, e->facts->rcpt,
	    fact(e->facts->rcpt, text), names[ACCESS_RECIPIENT]);
}

/* With smtpd_delay_reject all of these may stand in every list. */
static const struct restriction restrictions[] = {
	{ "permit", ARITY_NONE, ALL, false, step_permit },
	{ "reject", ARITY_NONE, ALL, true, step_reject },
	{ "defer", ARITY_NONE, ALL, true, step_defer },
	{ "defer_if_permit", ARITY_NONE, ALL, true, step_defer_if_permit },
	{ "defer_if_reject", ARITY_NONE, ALL, false, step_defer_if_reject },
	{ "warn_if_reject", ARITY_RULE, ALL, false, NULL },
	{ "permit_mynetworks", ARITY_NONE, ALL, false, step_permit_mynetworks },
	{ "permit_sasl_authenticated", ARITY_NONE, ALL, false,
	    step_permit_sasl },
	{ "permit_auth_destination", ARITY_NONE, ALL, false,
	    step_permit_auth_destination },
	{ "reject_unauth_destination", ARITY_NONE, ALL, true,
	    step_reject_unauth },
	{ "defer_unauth_destination", ARITY_NONE, ALL, true,
	    step_defer_unauth },
	{ "reject_invalid_helo_hostname", ARITY_NONE, ALL, false,
	    step_invalid_helo },
	{ "reject_invalid_hostname", ARITY_NONE, ALL, false,
	    step_invalid_helo },
	{ "reject_non_fqdn_helo_hostname", ARITY_NONE, ALL, false,
	    step_non_fqdn_helo },
	{ "reject_non_fqdn_hostname", ARITY_NONE, ALL, false,
	    step_non_fqdn_helo },
	{ "reject_non_fqdn_sender", ARITY_NONE, ALL, false,
	    step_non_fqdn_sender },
	{ "reject_non_fqdn_recipient", ARITY_NONE, ALL, false,
	    step_non_fqdn_recipient },
	{ "reject_unlisted_recipient", ARITY_NONE, ALL, false,
	    step_unlisted_recipient },
	{ "check_recipient_maps", ARITY_NONE, ALL, false,
	    step_unlisted_recipient },
	{ "reject_unlisted_sender", ARITY_NONE, ALL, false,
	    step_unlisted_sender },
	{ "reject_sender_login_mismatch", ARITY_NONE, ALL, false,
	    step_login_mismatch },
	{ "reject_authenticated_sender_login_mismatch", ARITY_NONE, ALL, false,
	    step_auth_login_mismatch },
	{ "reject_known_sender_login_mismatch", ARITY_NONE, ALL, false,
	    step_known_login_mismatch },
	{ "reject_unauthenticated_sender_login_mismatch", ARITY_NONE, ALL,
	    false, step_unauth_login_mismatch },
	{ "check_client_access", ARITY_TABLE, ALL, false, step_client_access },
	{ "check_helo_access", ARITY_TABLE, ALL, false, step_helo_access },
	{ "check_sender_access", ARITY_TABLE, ALL, false, step_sender_access },
	{ "check_recipient_access", ARITY_TABLE, ALL, false,
	    step_recipient_access },
};

const struct restriction *
restriction_find(struct span word)
{
	for (size_t i = 0; i < COUNT_OF(restrictions); i++) {
		const char *name = restrictions[i].name;

		if (span_ieq(span_str(name), word))
			return &restrictions[i];
	}
	return NULL;
}

void
restriction_list(enum access_list list, struct buf *out)
{
	for (size_t i = 0; i < COUNT_OF(restrictions); i++)
		if (restrictions[i].lists & BIT(list))
			buf_putf(out, "%s%s", out->n ? " " : "",
			    restrictions[i].name);
}
