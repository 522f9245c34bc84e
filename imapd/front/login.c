#include "imapd/front/login.h"

#include "base/base64.h"
#include "imapd/parse/command.h"

enum {
	ARENA_MAX = 16 << 10, /* of what a command is read into */
};

static void
tagged(struct imap_login *s, struct span tag, const char *text)
{
	buf_put(s->out, tag);
	buf_putf(s->out, " %s\r\n", text);
}

static void
error(struct imap_login *s, struct span tag, const char *text)
{
	tagged(s, tag, text);
	if (++s->errors < s->config->errors_max)
		return;
	buf_put(s->out, SPAN("* BYE Too many errors.\r\n"));
	s->want = IMAP_LOGIN_CLOSE;
}

static void
bad(struct imap_login *s, struct span tag, const char *reason)
{
	char text[128];
	struct buf b;

	buf_init(&b, text, sizeof(text) - 1);
	buf_putf(&b, "BAD %s.", reason);
	text[b.n] = '\0';
	error(s, tag, text);
}

static void
forget_response(struct imap_login *s)
{
	explicit_bzero(s->bytes, sizeof(s->bytes));
	explicit_bzero(s->text, sizeof(s->text));
	s->response = (struct span){ 0 };
}

static bool
may_log_in(const struct imap_login *s)
{
	return s->tls || s->config->clear_too;
}

static void
put_capabilities(struct imap_login *s)
{
	buf_put(s->out,
	    SPAN("CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+"));
	if (s->config->has_tls && !s->tls)
		buf_put(s->out, SPAN(" STARTTLS"));
	buf_put(s->out,
	    may_log_in(s) ? SPAN(" AUTH=PLAIN AUTH=LOGIN")
			  : SPAN(" LOGINDISABLED"));
}

void
imap_login_init(struct imap_login *s, const struct imap_login_config *c,
    bool tls, struct buf *out)
{
	*s = (struct imap_login){ .config = c, .out = out, .tls = tls };
	frame_init(&s->frame, s->text, sizeof(s->text));
	buf_put(out, SPAN("* OK ["));
	put_capabilities(s);
	buf_putf(out, "] %s\r\n", c->greeting);
}

void
imap_login_fini(struct imap_login *s)
{
	explicit_bzero(s, sizeof(*s));
}

/* Whether a password may come now; if not, that was said (RFC 5530's code). */
static bool
check_clear(struct imap_login *s, struct span tag)
{
	if (may_log_in(s))
		return true;
	s->told_clear = true;
	error(s, tag,
	    "NO [PRIVACYREQUIRED] Passwords are taken only with TLS.");
	return false;
}

static struct span
keep(struct span from, char *bytes, size_t max)
{
	must(from.n <= max);
	memcpy(bytes, from.p, from.n);
	return (struct span){ bytes, from.n };
}

static void
begin_auth(struct imap_login *s, struct span tag, struct span mech)
{
	s->tag = keep(tag, s->tag_bytes, sizeof(s->tag_bytes));
	s->mech = keep(mech, s->mech_bytes, sizeof(s->mech_bytes));
	s->began = true;
	s->want = IMAP_LOGIN_AUTH;
}

/* A NUL would end the name, or the password, in PLAIN. */
static bool
is_word(struct span s)
{
	return s.n > 0 && !memchr(s.p, '\0', s.n);
}

static void
on_login(struct imap_login *s, const struct imap_command *c)
{
	struct buf b;

	if (!check_clear(s, c->tag))
		return;
	buf_init(&b, s->bytes, sizeof(s->bytes));
	buf_put(&b, SPAN("\0"));
	buf_put(&b, c->user);
	buf_put(&b, SPAN("\0"));
	buf_put(&b, c->password);
	if (b.overflow || !is_word(c->user) || !is_word(c->password)) {
		error(s, c->tag,
		    "NO [AUTHENTICATIONFAILED] Invalid user name or password.");
		forget_response(s);
		return;
	}
	s->response = buf_span(&b);
	s->has_response = true;
	begin_auth(s, c->tag, SPAN("PLAIN"));
}

/* Decodes what the client has sent for an exchange. */
static void
take_response(struct imap_login *s, struct span text)
{
	struct buf b;

	buf_init(&b, s->bytes, sizeof(s->bytes));
	if (!base64_take(text, &b)) {
		bad(s, s->tag, "Invalid base64 data in response");
		s->want = s->want == IMAP_LOGIN_CLOSE ? IMAP_LOGIN_CLOSE
						      : IMAP_LOGIN_INPUT;
		forget_response(s);
		return;
	}
	s->response = buf_span(&b);
	s->want = IMAP_LOGIN_AUTH;
}

/* RFC 4959: "=" is an initial response of no bytes. */
static void
on_authenticate(struct imap_login *s, const struct imap_command *c)
{
	if (!check_clear(s, c->tag))
		return;
	if (!span_ieq(c->mechanism, SPAN("PLAIN")) &&
	    !span_ieq(c->mechanism, SPAN("LOGIN"))) {
		error(s, c->tag, "NO Unsupported authentication mechanism.");
		return;
	}
	begin_auth(s, c->tag, c->mechanism);
	s->has_response = c->initial.p != NULL;
	if (s->has_response)
		take_response(s,
		    span_eq(c->initial, SPAN("=")) ? SPAN("") : c->initial);
}

static void
on_starttls(struct imap_login *s, struct span tag)
{
	if (s->tls) {
		bad(s, tag, "TLS is already active");
	} else if (!s->config->has_tls) {
		bad(s, tag, "TLS support isn't enabled");
	} else {
		tagged(s, tag, "OK Begin TLS negotiation now.");
		s->want = IMAP_LOGIN_TLS;
	}
}

static void
run(struct imap_login *s, const struct imap_command *c)
{
	switch (c->verb) {
	case IMAP_AUTHENTICATE:
		on_authenticate(s, c);
		break;
	case IMAP_CAPABILITY:
		buf_put(s->out, SPAN("* "));
		put_capabilities(s);
		buf_put(s->out, SPAN("\r\n"));
		tagged(s, c->tag,
		    "OK Pre-login capabilities listed, post-login "
		    "capabilities have more.");
		break;
	case IMAP_ID:
		buf_put(s->out, SPAN("* ID (\"name\" \"Postrider\")\r\n"));
		tagged(s, c->tag, "OK ID completed.");
		break;
	case IMAP_LOGIN:
		on_login(s, c);
		break;
	case IMAP_LOGOUT:
		buf_put(s->out, SPAN("* BYE Logging out\r\n"));
		tagged(s, c->tag, "OK Logout completed.");
		s->logged_out = true;
		s->want = IMAP_LOGIN_CLOSE;
		break;
	case IMAP_NOOP:
		tagged(s, c->tag, "OK NOOP completed.");
		break;
	case IMAP_STARTTLS:
		on_starttls(s, c->tag);
		break;
	default:
		bad(s, c->tag, "Log in first");
		break;
	}
}

static void
on_command(struct imap_login *s, struct span text)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct imap_command c;
	const char *why;

	switch (imap_parse(text, a, &c, &why)) {
	case IMAP_OK:
		run(s, &c);
		break;
	case IMAP_BAD:
		bad(s, c.tag, why);
		break;
	case IMAP_LIMIT:
		error(s, c.tag, "NO [LIMIT] Command is too complex.");
		break;
	}
	arena_free(a);
}

/* RFC 3501, section 6.2.2: a "*" gives it up. */
static void
on_response(struct imap_login *s, struct span line)
{
	s->asked = false;
	s->frame.literals = true;
	s->began = false;
	if (span_eq(line, SPAN("*")))
		bad(s, s->tag, "Authentication aborted");
	else
		take_response(s, line);
}

enum imap_login_want
imap_login_feed(struct imap_login *s, struct span *in)
{
	enum frame_result r;

	must(s->want == IMAP_LOGIN_INPUT);
	r = frame_feed(&s->frame, in);
	if (r == FRAME_APPEND)
		r = frame_refuse(&s->frame, "Log in first");
	switch (r) {
	case FRAME_MORE:
		break;
	case FRAME_COMMAND:
		if (s->asked)
			on_response(s, buf_span(&s->frame.text));
		else
			on_command(s, buf_span(&s->frame.text));
		break;
	case FRAME_LITERAL:
		buf_put(s->out, SPAN("+ OK\r\n"));
		break;
	case FRAME_BAD:
		bad(s, frame_tag(&s->frame), s->frame.error);
		break;
	case FRAME_APPEND:
	case FRAME_CLOSE:
		buf_putf(s->out, "* BYE %s.\r\n", s->frame.error);
		s->want = IMAP_LOGIN_CLOSE;
		break;
	}
	return s->want;
}

/* What was said in the clear may have been anybody's. */
enum imap_login_want
imap_login_tls(struct imap_login *s, bool is_on)
{
	must(s->want == IMAP_LOGIN_TLS);
	frame_reset(&s->frame);
	s->tls = is_on;
	s->want = is_on ? IMAP_LOGIN_INPUT : IMAP_LOGIN_CLOSE;
	return s->want;
}

static void
ask(struct imap_login *s, struct span challenge)
{
	buf_put(s->out, SPAN("+ "));
	base64_put(s->out, challenge);
	buf_put(s->out, SPAN("\r\n"));
	s->asked = true;
	s->frame.literals = false;
}

enum imap_login_want
imap_login_auth(struct imap_login *s, enum imap_login_answer a,
    struct span challenge)
{
	must(s->want == IMAP_LOGIN_AUTH);
	forget_response(s);
	s->want = IMAP_LOGIN_INPUT;
	switch (a) {
	case IMAP_LOGIN_OK:
		s->want = IMAP_LOGIN_HAND_OVER;
		break;
	case IMAP_LOGIN_CONTINUE:
		ask(s, challenge);
		break;
	case IMAP_LOGIN_DENIED:
		error(s, s->tag,
		    "NO [AUTHENTICATIONFAILED] Authentication failed.");
		break;
	case IMAP_LOGIN_UNKNOWN:
		/* Not the client's error. */
		tagged(s, s->tag,
		    "NO [UNAVAILABLE] Temporary authentication failure.");
		break;
	}
	return s->want;
}

enum imap_login_want
imap_login_refuse(struct imap_login *s)
{
	must(s->want == IMAP_LOGIN_HAND_OVER);
	tagged(s, s->tag, "NO [UNAVAILABLE] The mailbox cannot be opened now.");
	buf_put(s->out, SPAN("* BYE Come back later.\r\n"));
	s->want = IMAP_LOGIN_CLOSE;
	return s->want;
}
