#include "lmtp/session.h"

#include "base/scan.h"
#include "mail/address.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	TEXT_MAX = 400, /* of a reason, of a line of 512 with its address */
	ADDR_MAX = 255, /* of an address that is said */
};

typedef bool command_fn(struct lmtp_session *s, struct span arg);

static const char *const names[LMTP_COMMANDS] = {
	[LMTP_CMD_LHLO] = "lhlo",
	[LMTP_CMD_MAIL] = "mail",
	[LMTP_CMD_RCPT] = "rcpt",
	[LMTP_CMD_DATA] = "data",
	[LMTP_CMD_RSET] = "rset",
	[LMTP_CMD_NOOP] = "noop",
	[LMTP_CMD_VRFY] = "vrfy",
	[LMTP_CMD_QUIT] = "quit",
	[LMTP_CMD_UNKNOWN] = "unknown",
};

static void put_line(struct lmtp_session *s, const char *fmt, va_list ap)
    PRINTF_LIKE(2, 0);

/* What was said by strangers is visible in a reply, and ends no line. */
static void
put_line(struct lmtp_session *s, const char *fmt, va_list ap)
{
	char line[LMTP_REPLY_MAX];
	int n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (len > sizeof(line) - 3)
		len = sizeof(line) - 3;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	buf_put(s->out, (struct span){ line, len });
	buf_put(s->out, SPAN("\r\n"));
}

static bool reply_ok(struct lmtp_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static bool reply_error(struct lmtp_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static bool
reply_ok(struct lmtp_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, fmt, ap);
	va_end(ap);
	return true;
}

static bool
reply_error(struct lmtp_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, fmt, ap);
	va_end(ap);
	return false;
}

/* The one end of a transaction. */
static void
txn_reset(struct lmtp_session *s)
{
	arena_reset(s->arena);
	s->sender = (struct span){ 0 };
	s->n = 0;
	s->rcpts = s->next = NULL;
	s->end = &s->rcpts;
	s->checked = (struct span){ 0 };
	s->data = LMTP_DATA_OK;
	if (s->state > LMTP_HELLO && s->state != LMTP_DONE)
		s->state = LMTP_HELLO;
}

static enum lmtp_want
close_with(struct lmtp_session *s, const char *why)
{
	s->state = LMTP_DONE;
	s->broken = why;
	s->want = LMTP_WANT_CLOSE;
	return s->want;
}

/* A step is over: whoever is refused all the time is sent away. */
static enum lmtp_want
conclude(struct lmtp_session *s, bool is_ok)
{
	s->ok[s->command] += is_ok;
	s->errors = is_ok ? s->errors : s->errors + 1;
	if (s->errors < s->config->errors_max || s->want == LMTP_WANT_CLOSE)
		return s->want;
	reply_error(s, "421 4.7.0 %s Error: too many errors",
	    s->config->myhostname);
	return close_with(s, "too many errors");
}

/* The name is told in headers: only what is visible. */
static bool
cmd_lhlo(struct lmtp_session *s, struct span name)
{
	if (name.n == 0 || name.n > LMTP_HELO_MAX)
		return reply_error(s, "501 5.5.4 Syntax: LHLO hostname");
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		s->helo[i] = c > ' ' && c < 0x7f && !strchr("<>()\\\";@", c)
		    ? c
		    : '?';
	}
	s->helo[name.n] = '\0';
	s->state = LMTP_HELLO;
	txn_reset(s);
	reply_ok(s, "250-%s", s->config->myhostname);
	reply_ok(s, "250-PIPELINING");
	if (s->config->size_limit)
		reply_ok(s, "250-SIZE %llu",
		    (unsigned long long)s->config->size_limit);
	reply_ok(s, "250-ENHANCEDSTATUSCODES");
	return reply_ok(s, "250 8BITMIME");
}

/* RFC 2033, section 4.1: such a client is not to believe that this is SMTP. */
static bool
cmd_helo(struct lmtp_session *s, struct span name)
{
	(void)name;
	return reply_error(s, "503 5.5.1 Error: this is LMTP, send LHLO");
}

/* Takes a path in its canonical form, kept for the transaction. */
static bool
take_address(struct lmtp_session *s, struct span *arg, struct span *addr_r,
    bool *full_r)
{
	char canonical[ADDRESS_MAX];
	struct address address;
	struct span rest = *arg;
	struct buf b;

	*full_r = false;
	if (!take_path(&rest, 0, &address) ||
	    (rest.n > 0 && rest.p[0] != ' ' && rest.p[0] != '\t'))
		return false;
	buf_init(&b, canonical, sizeof(canonical));
	address_put(&address, &b);
	addr_r->p = arena_dup(s->arena, buf_span(&b));
	addr_r->n = b.n;
	*full_r = !addr_r->p;
	*arg = rest;
	return true;
}

static bool
reply_full(struct lmtp_session *s)
{
	return reply_error(s, "452 4.3.1 Insufficient system storage");
}

static bool
reply_unsupported(struct lmtp_session *s, struct span word)
{
	return reply_error(s, "555 5.5.4 Unsupported option: %.*s",
	    (int)(word.n < 100 ? word.n : 100), word.p);
}

/* SIZE=n: RFC 1870. */
static bool
param_size(struct lmtp_session *s, struct span value)
{
	uint64_t limit = s->config->size_limit, size;

	if (!take_number(&value, INT64_MAX, &size) || value.n > 0)
		return reply_error(s, "501 5.5.4 Bad message size syntax");
	if (limit > 0 && size > limit)
		return reply_error(s,
		    "552 5.3.4 Message size exceeds fixed limit");
	return true;
}

static bool
mail_params(struct lmtp_session *s, struct span arg)
{
	struct span word;

	for (take_blanks(&arg); take_word(&arg, &word); take_blanks(&arg)) {
		struct span value = word;

		if (take_text(&value, SPAN("SIZE="))) {
			if (!param_size(s, value))
				return false;
		} else if (!span_ieq(word, SPAN("BODY=7BIT")) &&
		    !span_ieq(word, SPAN("BODY=8BITMIME"))) {
			return reply_unsupported(s, word);
		}
	}
	return true;
}

static bool
cmd_mail(struct lmtp_session *s, struct span arg)
{
	bool full;

	if (s->state == LMTP_START)
		return reply_error(s, "503 5.5.1 Error: send LHLO first");
	if (s->state != LMTP_HELLO)
		return reply_error(s, "503 5.5.1 Error: nested MAIL command");
	if (!take_text(&arg, SPAN("FROM:")) || arg.n == 0)
		return reply_error(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
	txn_reset(s);
	if (!take_address(s, &arg, &s->sender, &full))
		return reply_error(s, "501 5.1.7 Bad sender address syntax");
	if (full)
		return reply_full(s);
	if (!mail_params(s, arg)) {
		txn_reset(s);
		return false;
	}
	s->state = LMTP_MAIL;
	return reply_ok(s, "250 2.1.0 OK");
}

static bool
cmd_rcpt(struct lmtp_session *s, struct span arg)
{
	struct span word;
	bool full;

	if (s->state != LMTP_MAIL && s->state != LMTP_RCPT)
		return reply_error(s, "503 5.5.1 Error: need MAIL command");
	if (!take_text(&arg, SPAN("TO:")) || arg.n == 0)
		return reply_error(s, "501 5.5.4 Syntax: RCPT TO:<address>");
	/* Refused ones take room too, but a bounded one: the arena's. */
	if (!take_address(s, &arg, &s->checked, &full) ||
	    (!full && s->checked.n == 0))
		return reply_error(s, "501 5.1.3 Bad recipient address syntax");
	if (full)
		return reply_full(s);
	take_blanks(&arg);
	if (take_word(&arg, &word))
		return reply_unsupported(s, word);
	if (s->n >= (size_t)s->config->rcpt_limit) {
		reply_ok(s, "452 4.5.3 Error: too many recipients");
		return true;
	}
	s->want = LMTP_WANT_RCPT;
	return true;
}

static bool
add_rcpt(struct lmtp_session *s)
{
	struct lmtp_rcpt *r = ARENA_NEW(s->arena, struct lmtp_rcpt);

	if (!r)
		return reply_full(s);
	*r = (struct lmtp_rcpt){ .addr = s->checked };
	*s->end = r;
	s->end = &r->next;
	s->n++;
	s->state = LMTP_RCPT;
	return reply_ok(s, "250 2.1.5 OK");
}

static struct span
shown(struct span addr)
{
	addr.n = addr.n < ADDR_MAX ? addr.n : ADDR_MAX;
	return addr;
}

enum lmtp_want
lmtp_rcpt(struct lmtp_session *s, enum lmtp_found found)
{
	struct span a = shown(s->checked);
	bool is_ok = false;

	must(s->want == LMTP_WANT_RCPT);
	s->want = LMTP_WANT_LINE;
	switch (found) {
	case LMTP_FOUND:
		is_ok = add_rcpt(s);
		break;
	case LMTP_UNKNOWN:
		reply_error(s, "550 5.1.1 <%.*s> User doesn't exist: %.*s",
		    (int)a.n, a.p, (int)a.n, a.p);
		break;
	case LMTP_TEMPFAIL:
		reply_error(s, "451 4.3.0 <%.*s> Temporary internal error",
		    (int)a.n, a.p);
		break;
	}
	s->ok[s->command] -= !is_ok; /* it was counted when it had to wait */
	return s->want;
}

static bool
cmd_data(struct lmtp_session *s, struct span arg)
{
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: DATA");
	if (s->state == LMTP_MAIL)
		return reply_error(s, "503 5.5.1 No valid recipients");
	if (s->state != LMTP_RCPT)
		return reply_error(s, "503 5.5.1 Error: need RCPT command");
	s->state = LMTP_DATA;
	s->want = LMTP_WANT_DATA;
	return reply_ok(s, "354 End data with <CR><LF>.<CR><LF>");
}

enum lmtp_want
lmtp_data(struct lmtp_session *s, enum lmtp_data result)
{
	must(s->want == LMTP_WANT_DATA);
	s->data = result;
	s->next = s->rcpts;
	s->want = result == LMTP_DATA_OK ? LMTP_WANT_DELIVERY : LMTP_WANT_REPLY;
	return s->want;
}

enum lmtp_want
lmtp_delivered(struct lmtp_session *s)
{
	must(s->want == LMTP_WANT_DELIVERY);
	s->want = LMTP_WANT_REPLY;
	return s->want;
}

/* RFC 3463's subject 2 is the mailbox's; .2 of it, that it is full. */
static int
code_of(struct span dsn)
{
	bool is_final = dsn.n > 0 && *dsn.p == '5';
	bool is_full = dsn.n == 5 && memcmp(dsn.p + 1, ".2.2", 4) == 0;

	return (is_final ? 550 : 450) + (is_full ? 2 : is_final ? 0 : 1);
}

static void
reply_outcome(struct lmtp_session *s, const struct lmtp_rcpt *r)
{
	const struct lmtp_outcome *o = &r->outcome;
	struct span a = shown(r->addr);
	struct span dsn = o->dsn.n ? o->dsn : SPAN("4.3.0");
	struct span text = o->text.n ? o->text
				     : SPAN("Temporary internal error");

	if (o->sent)
		reply_ok(s, "250 2.0.0 <%.*s> %s Saved", (int)a.n, a.p, s->id);
	else
		reply_error(s, "%d %.*s <%.*s> %.*s", code_of(dsn), (int)dsn.n,
		    dsn.p, (int)a.n, a.p,
		    (int)(text.n < TEXT_MAX ? text.n : TEXT_MAX), text.p);
}

enum lmtp_want
lmtp_reply(struct lmtp_session *s)
{
	const struct lmtp_rcpt *r = s->next;

	must(s->want == LMTP_WANT_REPLY && r);
	switch (s->data) {
	case LMTP_DATA_OK:
		reply_outcome(s, r);
		break;
	case LMTP_DATA_TOO_BIG:
		reply_error(s, "552 5.3.4 Message size exceeds fixed limit");
		break;
	case LMTP_DATA_FULL:
		reply_full(s);
		break;
	}
	s->next = r->next;
	if (s->next)
		return s->want;
	txn_reset(s);
	s->want = LMTP_WANT_LINE;
	return s->want;
}

static bool
cmd_rset(struct lmtp_session *s, struct span arg)
{
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: RSET");
	txn_reset(s);
	return reply_ok(s, "250 2.0.0 OK");
}

static bool
cmd_noop(struct lmtp_session *s, struct span arg)
{
	(void)arg;
	return reply_ok(s, "250 2.0.0 OK");
}

/* Who is there is told by RCPT. */
static bool
cmd_vrfy(struct lmtp_session *s, struct span arg)
{
	(void)arg;
	return reply_ok(s, "252 2.3.3 Try RCPT instead");
}

static bool
cmd_quit(struct lmtp_session *s, struct span arg)
{
	if (arg.n > 0)
		return reply_error(s, "501 5.5.4 Syntax: QUIT");
	close_with(s, NULL);
	return reply_ok(s, "221 2.0.0 Bye");
}

static const struct {
	const char *name;
	enum lmtp_command command;
	command_fn *run;
} commands[] = {
	{ "LHLO", LMTP_CMD_LHLO, cmd_lhlo },
	{ "MAIL", LMTP_CMD_MAIL, cmd_mail },
	{ "RCPT", LMTP_CMD_RCPT, cmd_rcpt },
	{ "DATA", LMTP_CMD_DATA, cmd_data },
	{ "RSET", LMTP_CMD_RSET, cmd_rset },
	{ "NOOP", LMTP_CMD_NOOP, cmd_noop },
	{ "VRFY", LMTP_CMD_VRFY, cmd_vrfy },
	{ "QUIT", LMTP_CMD_QUIT, cmd_quit },
	{ "EHLO", LMTP_CMD_UNKNOWN, cmd_helo },
	{ "HELO", LMTP_CMD_UNKNOWN, cmd_helo },
};

enum lmtp_want
lmtp_init(struct lmtp_session *s, const struct lmtp_config *config,
    struct arena *arena, struct buf *out)
{
	*s = (struct lmtp_session){
		.config = config,
		.arena = arena,
		.out = out,
		.verb = SPAN_INIT("CONNECT"),
		.command = LMTP_CMD_UNKNOWN,
	};
	txn_reset(s);
	s->want = LMTP_WANT_LINE;
	reply_ok(s, "220 %s", config->banner);
	return s->want;
}

static struct span
trim_end(struct span s)
{
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static enum lmtp_want
unknown(struct lmtp_session *s)
{
	s->command = LMTP_CMD_UNKNOWN;
	s->verb = SPAN("UNKNOWN");
	s->all[s->command]++;
	return conclude(s,
	    reply_error(s, "500 5.5.2 Error: command not recognized"));
}

enum lmtp_want
lmtp_line(struct lmtp_session *s, struct span line)
{
	struct span word;

	must(s->want == LMTP_WANT_LINE);
	if (!take_word(&line, &word))
		return unknown(s);
	take_blanks(&line);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (span_ieq(word, span_str(commands[i].name))) {
			s->command = commands[i].command;
			s->verb = span_str(commands[i].name);
			s->all[s->command]++;
			return conclude(s, commands[i].run(s, trim_end(line)));
		}
	return unknown(s);
}

enum lmtp_want
lmtp_overlong(struct lmtp_session *s)
{
	reply_error(s, "500 5.5.2 Error: line too long");
	return close_with(s, "overlong line");
}

enum lmtp_want
lmtp_timeout(struct lmtp_session *s)
{
	reply_error(s, "421 4.4.2 %s Error: timeout exceeded",
	    s->config->myhostname);
	return close_with(s, NULL);
}

enum lmtp_want
lmtp_shutdown(struct lmtp_session *s)
{
	reply_error(s, "421 4.3.2 %s Service shutting down",
	    s->config->myhostname);
	return close_with(s, NULL);
}

static void
put_count(struct buf *out, const char *name, unsigned ok, unsigned all)
{
	if (all == 0)
		return;
	buf_putf(out, "%s%s=", out->n ? " " : "", name);
	if (ok != all)
		buf_putf(out, "%u/", ok);
	buf_putf(out, "%u", all);
}

void
lmtp_put_counts(const struct lmtp_session *s, struct buf *out)
{
	unsigned ok = 0, all = 0;

	for (size_t i = 0; i < LMTP_COMMANDS; i++) {
		put_count(out, names[i], s->ok[i], s->all[i]);
		ok += s->ok[i];
		all += s->all[i];
	}
	put_count(out, "commands", ok, all);
}
