/* AUTH (RFC 4954): the lines of an exchange, whose words are authd's. */
#include "base/base64.h"
#include "base/scan.h"
#include "smtpd/private.h"

#include <stdio.h>

enum {
	CHALLENGE_MAX = 512, /* bytes of one, as base64 */
};

/* The mechanisms that are offered now: "PLAIN LOGIN", or "". */
static struct span
mechs(const struct smtpd_session *s)
{
	const struct smtpd_config *c = s->config;
	const char *list = s->tls ? c->auth_tls_mechs : c->auth_mechs;

	if (!c->auth || !list || (c->auth_tls_only && !s->tls))
		return SPAN("");
	return span_str(list);
}

bool
auth_keyword(const struct smtpd_session *s, char text[AUTH_KEYWORD_MAX])
{
	struct span list = mechs(s);

	snprintf(text, AUTH_KEYWORD_MAX, "AUTH %.*s", (int)list.n, list.p);
	return list.n > 0;
}

void
auth_forget(struct smtpd_session *s)
{
	s->auth.done = s->auth.asked = false;
	s->auth.user_n = 0;
	s->facts.authenticated = false;
	s->facts.user = (struct span){ 0 };
}

struct span
session_user(const struct smtpd_session *s)
{
	if (!s->auth.done)
		return (struct span){ 0 };
	return (struct span){ s->auth.user, s->auth.user_n };
}

/* Ends an exchange that has led to nothing. */
static void
give_up(struct smtpd_session *s)
{
	s->auth.asked = false;
	s->auth.response = (struct span){ 0 };
	arena_reset(s->arena);
}

/* Takes what the client has answered, and asks what it is worth. */
static enum outcome
take_response(struct smtpd_session *s, struct span text)
{
	size_t max = text.n / 4 * 3;
	char *bytes;
	struct buf b;

	s->auth.asked = false;
	if (text.n > (size_t)s->config->auth_limit)
		return reply_error(s, "500 5.5.6 SASL response limit exceeded");
	/* The transaction's: there is none now, and it is wiped. */
	bytes = arena_alloc(s->arena, max + 1);
	if (!bytes)
		return reply_error(s, "500 5.5.6 SASL response limit exceeded");
	buf_init(&b, bytes, max + 1);
	if (!base64_take(text, &b)) {
		give_up(s);
		return reply_error(s, "501 5.5.2 Error: malformed response");
	}
	s->auth.response = (struct span){ bytes, b.n };
	return want(s, SMTPD_WANT_AUTH);
}

enum outcome
auth_response(struct smtpd_session *s, struct span line)
{
	s->auth.begins = false;
	if (!span_eq(line, SPAN("*")))
		return take_response(s, line);
	give_up(s);
	return reply_error(s, "501 5.7.0 Authentication aborted");
}

/* Finds the mechanism among those that are offered. */
static bool
find_mech(struct span list, struct span name, struct span *mech_r)
{
	struct span word;

	for (take_blanks(&list); take_word(&list, &word); take_blanks(&list))
		if (span_ieq(word, name)) {
			*mech_r = word;
			return true;
		}
	return false;
}

/* Why nobody may authenticate here and now; NULL: one may. */
static const char *
refusal(const struct smtpd_session *s)
{
	if (s->hello == SMTPD_START)
		return "503 5.5.1 Error: send HELO/EHLO first";
	if (!s->config->auth)
		return "503 5.5.1 Error: authentication not enabled";
	if (s->state != SMTPD_HELLO)
		return "503 5.5.1 Error: MAIL transaction in progress";
	if (s->auth.done)
		return "503 5.5.1 Error: already authenticated";
	return NULL;
}

enum outcome
cmd_auth(struct smtpd_session *s, struct span arg)
{
	const char *no = refusal(s);
	struct span name, initial = { 0 };

	if (no)
		return reply_error(s, "%s", no);
	if (!take_word(&arg, &name))
		return reply_error(s, "501 5.5.4 Syntax: AUTH mechanism");
	take_blanks(&arg);
	if (arg.n > 0 && (!take_word(&arg, &initial) || arg.n > 0))
		return reply_error(s, "501 5.5.4 Syntax: AUTH mechanism");
	if (s->config->auth_tls_only && !s->tls)
		return reply_error(s,
		    "504 5.5.4 Encryption required for requested "
		    "authentication mechanism");
	if (!find_mech(mechs(s), name, &s->auth.mech))
		return reply_error(s,
		    "504 5.5.4 Error: unrecognized authentication type");
	s->auth.begins = true;
	s->auth.response = (struct span){ 0 };
	if (!initial.p)
		return want(s, SMTPD_WANT_AUTH);
	/* Section 4: a "=" is a response of no bytes. */
	if (span_eq(initial, SPAN("=")))
		initial.n = 0;
	return take_response(s, initial);
}

static enum outcome
reply_challenge(struct smtpd_session *s, struct span challenge)
{
	char text[CHALLENGE_MAX];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	base64_put(&b, challenge);
	if (b.overflow)
		b.n = 0;
	s->auth.asked = true;
	reply_ok(s, "334 %.*s", (int)b.n, b.p);
	/* It is counted when it is over. */
	s->want = SMTPD_WANT_LINE;
	return OUTCOME_WAITS;
}

static enum outcome
let_in(struct smtpd_session *s, struct span user)
{
	if (user.n == 0 || user.n > sizeof(s->auth.user))
		return reply_error(s,
		    "454 4.7.0 Temporary authentication failure");
	memcpy(s->auth.user, user.p, user.n);
	s->auth.user_n = user.n;
	s->auth.done = true;
	s->facts.authenticated = true;
	s->facts.user = session_user(s);
	return reply_ok(s, "235 2.7.0 Authentication successful");
}

static enum outcome
tell(struct smtpd_session *s, const struct smtpd_auth_answer *a)
{
	s->log.text = a->text;
	s->log.user = a->user;
	switch (a->result) {
	case SMTPD_AUTH_OK:
		return let_in(s, a->user);
	case SMTPD_AUTH_CHALLENGE:
		return reply_challenge(s, a->text);
	case SMTPD_AUTH_FAILED:
		s->log.kind = SMTPD_LOG_AUTH_FAILED;
		return reply_error(s,
		    "535 5.7.8 Error: authentication failed: %.*s",
		    (int)a->text.n, a->text.p);
	case SMTPD_AUTH_UNKNOWN:
		break;
	}
	/* Not the client's error, though conclude() counts one. */
	s->errors--;
	s->log.kind = SMTPD_LOG_AUTH_UNKNOWN;
	return reply_error(s,
	    "454 4.7.0 Temporary authentication failure: %.*s", (int)a->text.n,
	    a->text.p);
}

enum smtpd_want
session_auth(struct smtpd_session *s, const struct smtpd_auth_answer *a)
{
	begin_step(s, SMTPD_WANT_AUTH);
	give_up(s);
	return conclude(s, tell(s, a));
}
