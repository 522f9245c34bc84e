#include "pop3d/login.h"

#include "base/base64.h"
#include "base/scan.h"

static void
ok(struct pop3_login *s, const char *text)
{
	buf_putf(s->out, "+OK%s%s\r\n", *text ? " " : "", text);
}

static void
error(struct pop3_login *s, const char *text)
{
	if (++s->errors < s->config->errors_max) {
		buf_putf(s->out, "-ERR %s\r\n", text);
		return;
	}
	buf_put(s->out, SPAN("-ERR Too many errors.\r\n"));
	s->want = POP3_LOGIN_CLOSE;
}

static void
forget_response(struct pop3_login *s)
{
	explicit_bzero(s->bytes, sizeof(s->bytes));
	s->response = (struct span){ 0 };
}

static void
forget_user(struct pop3_login *s)
{
	explicit_bzero(s->user, sizeof(s->user));
	s->user_n = 0;
}

void
pop3_login_init(struct pop3_login *s, const struct pop3_login_config *c,
    bool tls, struct buf *out)
{
	*s = (struct pop3_login){ .config = c, .out = out, .tls = tls };
	ok(s, c->greeting);
}

void
pop3_login_fini(struct pop3_login *s)
{
	explicit_bzero(s, sizeof(*s));
}

static bool
may_log_in(const struct pop3_login *s)
{
	return s->tls || s->config->clear_too;
}

/* Whether a password may come now; if not, that was said (RFC 3206's code). */
static bool
check_clear(struct pop3_login *s)
{
	if (may_log_in(s))
		return true;
	s->told_clear = true;
	error(s, "[AUTH] Passwords are taken only with TLS.");
	return false;
}

/* RFC 2449; RFC 2595, section 4: inside TLS there is no STLS. */
static void
capabilities(struct pop3_login *s)
{
	ok(s, "");
	buf_put(s->out,
	    SPAN("CAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
		 "AUTH-RESP-CODE\r\nPIPELINING\r\n"));
	if (s->config->has_tls && !s->tls)
		buf_put(s->out, SPAN("STLS\r\n"));
	if (may_log_in(s))
		buf_put(s->out, SPAN("USER\r\nSASL PLAIN\r\n"));
	buf_put(s->out, SPAN(".\r\n"));
}

static void
on_stls(struct pop3_login *s)
{
	if (s->tls) {
		error(s, "TLS is already active.");
	} else if (!s->config->has_tls) {
		error(s, "TLS support isn't enabled.");
	} else {
		ok(s, "Begin TLS negotiation now.");
		s->want = POP3_LOGIN_TLS;
	}
}

/* A NUL would end the name, or the password, in PLAIN. */
static bool
is_word(struct span s)
{
	return s.n > 0 && !memchr(s.p, '\0', s.n);
}

static void
on_user(struct pop3_login *s, struct span name)
{
	forget_user(s);
	if (!check_clear(s))
		return;
	if (!is_word(name) || name.n > sizeof(s->user)) {
		error(s, "Invalid user name.");
		return;
	}
	memcpy(s->user, name.p, name.n);
	s->user_n = name.n;
	ok(s, "");
}

static void
on_pass(struct pop3_login *s, struct span password)
{
	struct buf b;

	if (s->user_n == 0) {
		error(s, "No username given.");
		return;
	}
	buf_init(&b, s->bytes, sizeof(s->bytes));
	buf_put(&b, SPAN("\0"));
	buf_put(&b, (struct span){ s->user, s->user_n });
	buf_put(&b, SPAN("\0"));
	buf_put(&b, password);
	forget_user(s);
	if (b.overflow || !is_word(password)) {
		forget_response(s);
		error(s, "Invalid password.");
		return;
	}
	s->response = buf_span(&b);
	s->method = SPAN("PLAIN");
	s->want = POP3_LOGIN_AUTH;
}

static void
take_response(struct pop3_login *s, struct span text)
{
	struct buf b;

	s->asked = false;
	buf_init(&b, s->bytes, sizeof(s->bytes));
	if (span_eq(text, SPAN("*"))) {
		error(s, "Authentication aborted.");
	} else if (!base64_take(text, &b)) {
		forget_response(s);
		error(s, "Invalid base64 data in response.");
	} else {
		s->response = buf_span(&b);
		s->method = SPAN("PLAIN");
		s->want = POP3_LOGIN_AUTH;
	}
}

/* RFC 5034; without a mechanism it lists them, as clients knew before. */
static void
on_auth(struct pop3_login *s, struct span arg)
{
	struct span mech;

	forget_user(s);
	if (!check_clear(s))
		return;
	if (!take_word(&arg, &mech)) {
		ok(s, "");
		buf_put(s->out, SPAN("PLAIN\r\n.\r\n"));
		return;
	}
	if (!span_ieq(mech, SPAN("PLAIN"))) {
		error(s, "Unsupported authentication mechanism.");
		return;
	}
	take_blanks(&arg);
	if (arg.n == 0) {
		s->asked = true;
		buf_put(s->out, SPAN("+ \r\n"));
		return;
	}
	/* Section 4: a "=" is a response of no bytes. */
	take_response(s, span_eq(arg, SPAN("=")) ? SPAN("") : arg);
}

static void
run(struct pop3_login *s, enum pop3_verb verb, struct span arg)
{
	switch (verb) {
	case POP3_AUTH:
		on_auth(s, arg);
		break;
	case POP3_CAPA:
		capabilities(s);
		break;
	case POP3_NOOP:
		ok(s, "");
		break;
	case POP3_PASS:
		on_pass(s, arg);
		break;
	case POP3_QUIT:
		ok(s, "Logging out");
		s->logged_out = true;
		s->want = POP3_LOGIN_CLOSE;
		break;
	case POP3_STLS:
		on_stls(s);
		break;
	case POP3_USER:
		on_user(s, arg);
		break;
	default:
		error(s, "Unknown command.");
		break;
	}
}

enum pop3_login_want
pop3_login_line(struct pop3_login *s, struct span line)
{
	struct span arg;
	enum pop3_verb verb;

	must(s->want == POP3_LOGIN_LINE);
	if (s->asked) {
		take_response(s, line);
		return s->want;
	}
	verb = pop3_command(line, &arg);
	run(s, verb, arg);
	return s->want;
}

/* What was said in the clear may have been anybody's. */
enum pop3_login_want
pop3_login_tls(struct pop3_login *s, bool is_on)
{
	must(s->want == POP3_LOGIN_TLS);
	forget_user(s);
	s->tls = is_on;
	s->want = is_on ? POP3_LOGIN_LINE : POP3_LOGIN_CLOSE;
	return s->want;
}

enum pop3_login_want
pop3_login_auth(struct pop3_login *s, enum pop3_login_answer a)
{
	must(s->want == POP3_LOGIN_AUTH);
	forget_response(s);
	s->want = POP3_LOGIN_LINE;
	switch (a) {
	case POP3_LOGIN_OK:
		s->want = POP3_LOGIN_HAND_OVER;
		break;
	case POP3_LOGIN_DENIED:
		error(s, "[AUTH] Authentication failed.");
		break;
	case POP3_LOGIN_UNKNOWN:
		/* Not the client's error. */
		buf_put(s->out,
		    SPAN("-ERR [SYS/TEMP] Temporary authentication "
			 "failure.\r\n"));
		break;
	}
	return s->want;
}

enum pop3_login_want
pop3_login_refuse(struct pop3_login *s)
{
	must(s->want == POP3_LOGIN_HAND_OVER);
	buf_put(s->out,
	    SPAN("-ERR [SYS/TEMP] The mailbox cannot be opened now.\r\n"));
	s->want = POP3_LOGIN_CLOSE;
	return s->want;
}
