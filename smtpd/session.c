#include "smtpd/session.h"

#include "base/scan.h"
#include "smtpd/private.h"

#include <stdarg.h>
#include <stdio.h>

void
enter(struct smtpd_session *s, enum smtpd_state state)
{
	/* From where each state can be reached. */
	static const unsigned from[] = {
		[SMTPD_START] = BIT(SMTPD_START) | BIT(SMTPD_HELLO) |
		    BIT(SMTPD_MAIL) | BIT(SMTPD_RCPT) | BIT(SMTPD_DATA),
		[SMTPD_HELLO] = BIT(SMTPD_DONE) - 1,
		[SMTPD_MAIL] = BIT(SMTPD_START) | BIT(SMTPD_HELLO),
		[SMTPD_RCPT] = BIT(SMTPD_MAIL) | BIT(SMTPD_RCPT),
		[SMTPD_DATA] = BIT(SMTPD_RCPT),
		[SMTPD_DONE] = BIT(SMTPD_DONE + 1) - 1,
	};

	must(from[state] & BIT(s->state));
	s->state = state;
}

void
txn_reset(struct smtpd_session *s)
{
	s->txn = (struct smtpd_txn){ 0 };
	s->txn.end = &s->txn.rcpts;
	s->facts.sender = s->facts.rcpt = (struct span){ 0 };
	s->checked = (struct smtpd_rcpt){ 0 };
	arena_reset(s->arena);
	enter(s, s->hello);
}

enum outcome
want(struct smtpd_session *s, enum smtpd_want w)
{
	s->want = w;
	return OUTCOME_WAITS;
}

/*
 * Appends a line of text, in which what a client sent shows as characters that
 * can be seen. What is too long is cut.
 */
static void put_line(struct smtpd_session *s, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

static void
put_line(struct smtpd_session *s, const char *fmt, va_list ap)
{
	char text[SMTPD_REPLY_MAX / 2];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	must(n >= 0);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	buf_put(s->out, span_str(text));
	buf_put(s->out, SPAN("\r\n"));
}

enum outcome
reply_ok(struct smtpd_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, fmt, ap);
	va_end(ap);
	return OUTCOME_OK;
}

enum outcome
reply_error(struct smtpd_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, fmt, ap);
	va_end(ap);
	return OUTCOME_ERROR;
}

enum outcome
reply_reject(struct smtpd_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, fmt, ap);
	va_end(ap);
	s->log.kind = SMTPD_LOG_REJECT;
	return OUTCOME_ERROR;
}

bool
wants_access(struct smtpd_session *s, unsigned lists)
{
	s->lists = lists & s->config->lists;
	if (!s->lists)
		return false;
	want(s, SMTPD_WANT_ACCESS);
	return true;
}

enum outcome
reply_verdict(struct smtpd_session *s, const struct access_verdict *v)
{
	enum outcome o = reply_reject(s, "%u %s %s", v->code, v->dsn, v->text);

	if (v->code == 421 || v->code == 521) {
		enter(s, SMTPD_DONE);
		s->want = SMTPD_WANT_CLOSE;
	}
	return o;
}

static enum outcome
cmd_rset(struct smtpd_session *s, struct span arg)
{
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: RSET");
	txn_reset(s);
	return reply_ok(s, "250 2.0.0 Ok");
}

static enum outcome
cmd_noop(struct smtpd_session *s, struct span arg)
{
	(void)arg;
	return reply_ok(s, "250 2.0.0 Ok");
}

static enum outcome
cmd_quit(struct smtpd_session *s, struct span arg)
{
	(void)arg;
	enter(s, SMTPD_DONE);
	s->want = SMTPD_WANT_CLOSE;
	return reply_ok(s, "221 2.0.0 Bye");
}

/* What follows a BDAT cannot be told from commands: the session is over. */
static enum outcome
cmd_bdat(struct smtpd_session *s, struct span arg)
{
	(void)arg;
	enter(s, SMTPD_DONE);
	s->want = SMTPD_WANT_CLOSE;
	return reply_error(s, "521 5.5.1 Error: command not implemented");
}

static enum outcome
cmd_etrn(struct smtpd_session *s, struct span arg)
{
	if (arg.n == 0)
		return reply_error(s, "500 Syntax: ETRN domain");
	return reply_error(s, "502 5.5.1 Error: command not implemented");
}

enum {
	ANYWHERE = BIT(SMTPD_START) | BIT(SMTPD_HELLO) | BIT(SMTPD_MAIL) |
	    BIT(SMTPD_RCPT),
	IN_MAIL = BIT(SMTPD_MAIL) | BIT(SMTPD_RCPT),
};

/* The only place that knows which verb is allowed when. */
static const struct command {
	struct span verb;
	const char *counted; /* as in the log */
	bool is_junk; /* it brings no mail nearer */
	bool needs_helo; /* where smtpd_helo_required is set */
	unsigned states;
	const char *otherwise; /* the reply in other states */
	command_fn *run;
} commands[SMTPD_COMMANDS] = {
	[SMTPD_CMD_HELO] = { SPAN_INIT("HELO"), "helo", true, false, ANYWHERE,
	    NULL, cmd_helo },
	[SMTPD_CMD_EHLO] = { SPAN_INIT("EHLO"), "ehlo", true, false, ANYWHERE,
	    NULL, cmd_ehlo },
	[SMTPD_CMD_STARTTLS] = { SPAN_INIT("STARTTLS"), "starttls", false,
	    false, ANYWHERE, NULL, cmd_starttls },
	[SMTPD_CMD_AUTH] = { SPAN_INIT("AUTH"), "auth", false, true, ANYWHERE,
	    NULL, cmd_auth },
	[SMTPD_CMD_MAIL] = { SPAN_INIT("MAIL"), "mail", false, true,
	    BIT(SMTPD_START) | BIT(SMTPD_HELLO),
	    "503 5.5.1 Error: nested MAIL command", cmd_mail },
	[SMTPD_CMD_RCPT] = { SPAN_INIT("RCPT"), "rcpt", false, false, IN_MAIL,
	    "503 5.5.1 Error: need MAIL command", cmd_rcpt },
	[SMTPD_CMD_DATA] = { SPAN_INIT("DATA"), "data", false, false, IN_MAIL,
	    "503 5.5.1 Error: need RCPT command", cmd_data },
	[SMTPD_CMD_BDAT] = { SPAN_INIT("BDAT"), "bdat", false, false, ANYWHERE,
	    NULL, cmd_bdat },
	[SMTPD_CMD_RSET] = { SPAN_INIT("RSET"), "rset", true, false, ANYWHERE,
	    NULL, cmd_rset },
	[SMTPD_CMD_NOOP] = { SPAN_INIT("NOOP"), "noop", true, false, ANYWHERE,
	    NULL, cmd_noop },
	[SMTPD_CMD_VRFY] = { SPAN_INIT("VRFY"), "vrfy", true, false, ANYWHERE,
	    NULL, cmd_vrfy },
	[SMTPD_CMD_ETRN] = { SPAN_INIT("ETRN"), "etrn", true, true, ANYWHERE,
	    NULL, cmd_etrn },
	[SMTPD_CMD_QUIT] = { SPAN_INIT("QUIT"), "quit", false, false, ANYWHERE,
	    NULL, cmd_quit },
	[SMTPD_CMD_UNKNOWN] = { SPAN_INIT("UNKNOWN"), "unknown", false, false,
	    0, NULL, NULL },
};

/* A header of a mail: somebody posts to us what he should not. */
static bool
is_header(struct span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f &&
	    line.p[n] != ':')
		n++;
	return n > 0 && n < line.n && line.p[n] == ':';
}

static enum outcome
unknown_command(struct smtpd_session *s, struct span verb, struct span line)
{
	if (!s->config->is_forbidden(verb) && !is_header(line))
		return reply_error(s,
		    "500 5.5.2 Error: command not recognized");
	s->log.kind = SMTPD_LOG_NOT_SMTP;
	s->log.text = line;
	enter(s, SMTPD_DONE);
	s->want = SMTPD_WANT_CLOSE;
	return reply_error(s,
	    "221 2.7.0 Error: I can break rules, too. Goodbye.");
}

static enum smtpd_command
find_command(const struct smtpd_session *s, struct span verb)
{
	for (int i = 0; i < SMTPD_CMD_UNKNOWN; i++)
		if (span_ieq(commands[i].verb, verb))
			return (enum smtpd_command)i;
	return s->config->is_noop(verb) ? SMTPD_CMD_NOOP : SMTPD_CMD_UNKNOWN;
}

static enum outcome
run_command(struct smtpd_session *s, struct span verb, struct span arg,
    struct span line)
{
	const struct command *c = &commands[s->command];

	if (s->denied && s->command != SMTPD_CMD_QUIT)
		return reply_error(s,
		    "503 5.7.0 Error: access denied for %.*s[%.*s]",
		    (int)s->facts.client_name.n, s->facts.client_name.p,
		    (int)s->facts.client_addr.n, s->facts.client_addr.p);
	if (lacks_tls(s))
		return reply_error(s,
		    "530 5.7.0 Must issue a STARTTLS command first");
	if (s->command == SMTPD_CMD_UNKNOWN)
		return unknown_command(s, verb, line);
	if (c->is_junk && s->junk++ > s->config->junk_commands)
		s->errors++;
	if (c->needs_helo && s->config->helo_required &&
	    s->hello == SMTPD_START)
		return reply_error(s, "503 5.5.1 Error: send HELO/EHLO first");
	if (!(c->states & BIT(s->state)))
		return reply_error(s, "%s", c->otherwise);
	return c->run(s, arg);
}

/* Counts what came of a command, and ends sessions with too many errors. */
enum smtpd_want
conclude(struct smtpd_session *s, enum outcome o)
{
	must(!s->out->overflow);
	if (o == OUTCOME_WAITS)
		return s->want;
	s->all[s->command]++;
	if (o == OUTCOME_OK)
		s->ok[s->command]++;
	else
		s->errors++;
	s->slow = s->errors > s->config->soft_errors;
	if (s->state == SMTPD_DONE)
		return s->want = SMTPD_WANT_CLOSE;
	if (s->errors >= s->config->hard_errors) {
		reply_error(s, "421 4.7.0 %s Error: too many errors",
		    s->config->myhostname);
		s->broken = "too many errors";
		enter(s, SMTPD_DONE);
		return s->want = SMTPD_WANT_CLOSE;
	}
	if (s->want != SMTPD_WANT_DATA || s->state != SMTPD_DATA)
		s->want = SMTPD_WANT_LINE;
	return s->want;
}

void
begin_step(struct smtpd_session *s, enum smtpd_want w)
{
	must(s->want == w);
	must(buf_room(s->out) >= SMTPD_REPLY_MAX);
	s->log.kind = SMTPD_LOG_NOTHING;
	s->slow = false;
}

enum smtpd_want
session_line(struct smtpd_session *s, struct span line)
{
	struct span rest = line, verb = { 0 };

	begin_step(s, SMTPD_WANT_LINE);
	s->facts.helo = session_helo(s);
	if (s->auth.asked)
		return conclude(s, auth_response(s, line));
	take_blanks(&rest);
	s->command = SMTPD_CMD_UNKNOWN;
	if (!take_word(&rest, &verb))
		return conclude(s,
		    reply_error(s, "500 5.5.2 Error: bad syntax"));
	take_blanks(&rest);
	while (rest.n > 0 &&
	    (rest.p[rest.n - 1] == ' ' || rest.p[rest.n - 1] == '\t'))
		rest.n--;
	s->command = find_command(s, verb);
	s->verb = commands[s->command].verb;
	return conclude(s, run_command(s, verb, rest, line));
}

/* Ends the session for a reason that is no command's. */
static enum smtpd_want
hang_up(struct smtpd_session *s)
{
	must(!s->out->overflow);
	enter(s, SMTPD_DONE);
	return s->want = SMTPD_WANT_CLOSE;
}

enum smtpd_want
session_overlong(struct smtpd_session *s)
{
	begin_step(s, SMTPD_WANT_LINE);
	if (s->auth.asked)
		reply_error(s, "500 5.5.6 SASL response limit exceeded");
	else
		reply_error(s, "500 5.5.2 %s Error: command too long",
		    s->config->myhostname);
	return hang_up(s);
}

enum smtpd_want
session_timeout(struct smtpd_session *s)
{
	s->log.kind = SMTPD_LOG_NOTHING;
	reply_error(s, "421 4.4.2 %s Error: timeout exceeded",
	    s->config->myhostname);
	return hang_up(s);
}

enum smtpd_want
session_shutdown(struct smtpd_session *s)
{
	s->log.kind = SMTPD_LOG_NOTHING;
	reply_error(s, "421 4.3.2 %s Service shutting down",
	    s->config->myhostname);
	return hang_up(s);
}

static enum outcome
greet(struct smtpd_session *s)
{
	s->want = SMTPD_WANT_LINE;
	return reply_ok(s, "220 %s", s->config->banner);
}

/* At the connection: who is refused may only QUIT. */
static enum smtpd_want
client_checked(struct smtpd_session *s, const struct access_verdict *v)
{
	if (v->action != ACCESS_REJECT) {
		greet(s);
		return s->want;
	}
	s->denied = true;
	s->want = SMTPD_WANT_LINE;
	reply_verdict(s, v);
	return s->want;
}

static enum outcome
checked(struct smtpd_session *s, const struct access_verdict *v)
{
	switch (s->command) {
	case SMTPD_CMD_HELO:
	case SMTPD_CMD_EHLO:
		return helo_checked(s, v);
	case SMTPD_CMD_MAIL:
		return mail_checked(s, v);
	case SMTPD_CMD_RCPT:
		return rcpt_checked(s, v);
	case SMTPD_CMD_VRFY:
		return vrfy_checked(s, v);
	case SMTPD_CMD_DATA:
		return data_checked(s, v);
	default:
		break;
	}
	die("a verdict on nothing");
}

enum smtpd_want
session_access(struct smtpd_session *s, const struct access_verdict *v)
{
	begin_step(s, SMTPD_WANT_ACCESS);
	if (s->command == SMTPD_COMMANDS)
		return client_checked(s, v);
	if (v->action == ACCESS_DISCARD) {
		s->txn.discard = true;
		s->log.kind = SMTPD_LOG_DISCARD;
		s->log.text = span_str(v->text);
	}
	return conclude(s, checked(s, v));
}

enum smtpd_want
session_space(struct smtpd_session *s, bool is_room)
{
	begin_step(s, SMTPD_WANT_SPACE);
	return conclude(s, mail_has_room(s, is_room));
}

static void
begin(struct smtpd_session *s, const struct smtpd_config *config,
    const struct access_facts *facts, struct buf *out)
{
	*s = (struct smtpd_session){
		.config = config,
		.ehlo = config->ehlo,
		.facts = *facts,
		.out = out,
		.command = SMTPD_COMMANDS,
		.verb = SPAN("CONNECT"),
	};
	s->txn.end = &s->txn.rcpts;
}

enum smtpd_want
session_init(struct smtpd_session *s, const struct smtpd_config *config,
    const struct access_facts *facts, struct arena *arena, struct buf *out)
{
	begin(s, config, facts, out);
	s->arena = arena;
	if (!config->delay_reject && wants_access(s, BIT(ACCESS_CLIENT)))
		return s->want;
	greet(s);
	return s->want;
}

enum smtpd_want
session_crowded(struct smtpd_session *s, const struct smtpd_config *config,
    const struct access_facts *facts, struct buf *out)
{
	struct span addr = facts->client_addr;

	begin(s, config, facts, out);
	reply_error(s, "421 4.7.0 %s Error: too many connections from %.*s",
	    config->myhostname, (int)addr.n, addr.p);
	return hang_up(s);
}

/* What DATA has brought, or a commit: its reply ends the transaction. */
static enum outcome
reply_data(struct smtpd_session *s, enum smtpd_data result, struct span id)
{
	switch (result) {
	case SMTPD_DATA_OK:
		s->errors = 0;
		s->junk = 0;
		return reply_ok(s, "250 2.0.0 Ok: queued as %.*s", (int)id.n,
		    id.p);
	case SMTPD_DATA_TOO_BIG:
		return reply_error(s, "552 5.3.4 Error: message file too big");
	case SMTPD_DATA_HOPS:
		return reply_error(s, "554 5.4.0 Error: too many hops");
	case SMTPD_DATA_FULL:
		return reply_error(s, "452 4.3.1 Insufficient system storage");
	case SMTPD_DATA_FAILED:
		return reply_error(s,
		    "451 4.3.0 Error: queue file write error");
	case SMTPD_DATA_BARE_LF:
		break;
	}
	reply_error(s, "%u %u.5.2 %s Error: bare <LF> received",
	    (unsigned)s->config->bare_lf_code,
	    (unsigned)s->config->bare_lf_code / 100, s->config->myhostname);
	enter(s, SMTPD_DONE);
	return OUTCOME_ERROR;
}

static enum smtpd_want
end_of_mail(struct smtpd_session *s, enum smtpd_data result, struct span id)
{
	enum outcome o = reply_data(s, result, id);

	s->verb = SPAN("END-OF-MESSAGE");
	if (s->state != SMTPD_DONE)
		txn_reset(s);
	/* DATA was counted at its 354; now its end is. */
	s->all[SMTPD_CMD_DATA]--;
	s->ok[SMTPD_CMD_DATA]--;
	return conclude(s, o);
}

enum smtpd_want
session_data(struct smtpd_session *s, enum smtpd_data result)
{
	begin_step(s, SMTPD_WANT_DATA);
	if (result != SMTPD_DATA_OK)
		return end_of_mail(s, result, SPAN(""));
	if (wants_access(s, BIT(ACCESS_END_OF_DATA)))
		return s->want;
	return s->want = SMTPD_WANT_COMMIT;
}

enum smtpd_want
session_committed(struct smtpd_session *s, enum smtpd_data result,
    struct span id)
{
	begin_step(s, SMTPD_WANT_COMMIT);
	return end_of_mail(s, result, id);
}

void
session_put_counts(const struct smtpd_session *s, struct buf *out)
{
	unsigned ok = 0, all = 0;

	for (int i = 0; i < SMTPD_COMMANDS; i++) {
		if (s->all[i] == 0)
			continue;
		buf_putf(out, "%s=%u", commands[i].counted, s->ok[i]);
		if (s->ok[i] != s->all[i])
			buf_putf(out, "/%u", s->all[i]);
		buf_put(out, SPAN(" "));
		ok += s->ok[i];
		all += s->all[i];
	}
	buf_putf(out, "commands=%u", ok);
	if (ok != all)
		buf_putf(out, "/%u", all);
}

struct span
session_protocol(const struct smtpd_session *s)
{
	return s->esmtp ? SPAN("ESMTP") : SPAN("SMTP");
}

struct span
session_helo(const struct smtpd_session *s)
{
	if (s->hello == SMTPD_START)
		return (struct span){ 0 };
	return span_str(s->helo);
}
