#include "tests/unit/test.h"

#include "imapd/front/login.h"

#define CAPS_CLEAR \
	"CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS "
#define CAPS_TLS \
	"CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ " \
	"AUTH=PLAIN AUTH=LOGIN"

static const struct imap_login_config clear = {
	.greeting = "ready.",
	.has_tls = true,
	.clear_too = true,
	.errors_max = 100,
};
static const struct imap_login_config strict = {
	.greeting = "ready.",
	.has_tls = true,
	.errors_max = 3,
};

struct fixture {
	struct imap_login s;
	struct buf out;
	char storage[8 * IMAP_LOGIN_OUT];
};

static struct fixture *
begin(const struct imap_login_config *c, bool tls)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	buf_init(&f->out, f->storage, sizeof(f->storage));
	imap_login_init(&f->s, c, tls, &f->out);
	buf_drop(&f->out, f->out.n);
	return f;
}

static void
end(struct fixture *f)
{
	imap_login_fini(&f->s);
	free(f);
}

/* Says it in pieces of `piece` bytes, as long as there is something to say. */
static enum imap_login_want
say(struct fixture *f, struct span text, size_t piece)
{
	buf_drop(&f->out, f->out.n);
	while (text.n > 0 && f->s.want == IMAP_LOGIN_INPUT) {
		struct span part = { text.p, text.n < piece ? text.n : piece };
		size_t n = part.n;

		while (part.n > 0 && f->s.want == IMAP_LOGIN_INPUT)
			(void)imap_login_feed(&f->s, &part);
		text.p += n - part.n;
		text.n -= n - part.n;
	}
	assert_false(f->out.overflow);
	return f->s.want;
}

static void
commands_are_answered(void **state)
{
	static const struct {
		const struct imap_login_config *config;
		bool tls;
		struct span said;
		const char *answer;
		enum imap_login_want want;
	} rows[] = {
		{ &clear, false, SPAN_INIT("a CAPABILITY\r\n"),
		    "* " CAPS_CLEAR "AUTH=PLAIN AUTH=LOGIN\r\n"
		    "a OK Pre-login capabilities listed, post-login "
		    "capabilities have more.\r\n",
		    0 },
		{ &strict, false, SPAN_INIT("a capability\r\n"),
		    "* " CAPS_CLEAR "LOGINDISABLED\r\n"
		    "a OK Pre-login capabilities listed, post-login "
		    "capabilities have more.\r\n",
		    0 },
		{ &strict, true, SPAN_INIT("a CAPABILITY\r\n"),
		    "* " CAPS_TLS "\r\n"
		    "a OK Pre-login capabilities listed, post-login "
		    "capabilities have more.\r\n",
		    0 },
		{ &clear, false, SPAN_INIT("a NOOP\r\nb NOOP\r\n"),
		    "a OK NOOP completed.\r\nb OK NOOP completed.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a ID NIL\r\n"),
		    "* ID (\"name\" \"Postrider\")\r\na OK ID completed.\r\n",
		    0 },
		{ &clear, false, SPAN_INIT("a LOGOUT\r\nb NOOP\r\n"),
		    "* BYE Logging out\r\na OK Logout completed.\r\n",
		    IMAP_LOGIN_CLOSE },
		{ &clear, false, SPAN_INIT("a STARTTLS\r\n"),
		    "a OK Begin TLS negotiation now.\r\n", IMAP_LOGIN_TLS },
		{ &clear, true, SPAN_INIT("a STARTTLS\r\n"),
		    "a BAD TLS is already active.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a SELECT INBOX\r\n"),
		    "a BAD Log in first.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a ENABLE CONDSTORE\r\n"),
		    "a BAD Log in first.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a\r\n"),
		    "a BAD Missing command.\r\n", 0 },
		{ &clear, false, SPAN_INIT("\r\n"), "* BAD Invalid tag.\r\n",
		    0 },
		{ &clear, false, SPAN_INIT("a LOGIN {9999999}\r\n"),
		    "a BAD Literal is too large.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a LOGIN {9999999+}\r\n"),
		    "* BYE Literal is too large.\r\n", IMAP_LOGIN_CLOSE },
		{ &clear, false, SPAN_INIT("a APPEND INBOX {5}\r\nb NOOP\r\n"),
		    "a BAD Log in first.\r\nb OK NOOP completed.\r\n", 0 },
		{ &clear, false,
		    SPAN_INIT("a APPEND INBOX {5+}\r\nhello\r\nb NOOP\r\n"),
		    "a BAD Log in first.\r\nb OK NOOP completed.\r\n", 0 },
		{ &strict, false, SPAN_INIT("a LOGIN u p\r\n"),
		    "a NO [PRIVACYREQUIRED] Passwords are taken only with "
		    "TLS.\r\n",
		    0 },
		{ &strict, false, SPAN_INIT("a AUTHENTICATE PLAIN\r\n"),
		    "a NO [PRIVACYREQUIRED] Passwords are taken only with "
		    "TLS.\r\n",
		    0 },
		{ &clear, false, SPAN_INIT("a LOGIN \"\" p\r\n"),
		    "a NO [AUTHENTICATIONFAILED] Invalid user name or "
		    "password.\r\n",
		    0 },
		{ &clear, false, SPAN_INIT("a AUTHENTICATE GSSAPI\r\n"),
		    "a NO Unsupported authentication mechanism.\r\n", 0 },
		{ &clear, false, SPAN_INIT("a AUTHENTICATE PLAIN !!!!\r\n"),
		    "a BAD Invalid base64 data in response.\r\n", 0 },
		{ &strict, false, SPAN_INIT("a x\r\nb x\r\nc x\r\nd x\r\n"),
		    "a BAD Unknown command.\r\nb BAD Unknown command.\r\n"
		    "c BAD Unknown command.\r\n* BYE Too many errors.\r\n",
		    IMAP_LOGIN_CLOSE },
	};
	static const size_t pieces[] = { 1, 3, 1000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(pieces); i++) {
		size_t row = i / COUNT_OF(pieces);
		struct fixture *f = begin(rows[row].config, rows[row].tls);

		print_row(rows[row].said);
		assert_int_equal(say(f, guarded(rows[row].said),
				     pieces[i % COUNT_OF(pieces)]),
		    rows[row].want);
		assert_span(buf_span(&f->out), span_str(rows[row].answer));
		end(f);
	}
}

static void
the_greeting_tells_capabilities(void **state)
{
	struct imap_login *s = calloc(1, sizeof(*s));
	char storage[IMAP_LOGIN_OUT];
	struct buf out;

	(void)state;
	assert_non_null(s);
	buf_init(&out, storage, sizeof(storage));
	imap_login_init(s, &strict, false, &out);
	assert_span(buf_span(&out),
	    SPAN("* OK [" CAPS_CLEAR "LOGINDISABLED] ready.\r\n"));
	buf_drop(&out, out.n);
	imap_login_init(s, &strict, true, &out);
	assert_span(buf_span(&out), SPAN("* OK [" CAPS_TLS "] ready.\r\n"));
	free(s);
}

/* All ways to say the same name and password. */
static void
logins_become_plain(void **state)
{
	static const struct span rows[] = {
		SPAN_INIT("tag LOGIN alice \"a b\"\r\n"),
		SPAN_INIT("tag LOGIN {5}\r\nalice {3}\r\na b\r\n"),
		SPAN_INIT("tag LOGIN {5+}\r\nalice {3+}\r\na b\r\n"),
		SPAN_INIT("tag AUTHENTICATE PLAIN AGFsaWNlAGEgYg==\r\n"),
	};
	static const char none[IMAP_LOGIN_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fixture *f = begin(&clear, false);

		print_row(rows[i]);
		assert_int_equal(say(f, rows[i], 1), IMAP_LOGIN_AUTH);
		assert_span(f->s.mech, SPAN("PLAIN"));
		assert_true(f->s.began && f->s.has_response);
		assert_span(f->s.response, SPAN("\0alice\0a b"));
		assert_int_equal(imap_login_auth(&f->s, IMAP_LOGIN_OK,
				     SPAN("")),
		    IMAP_LOGIN_HAND_OVER);
		assert_span(f->s.tag, SPAN("tag"));
		assert_memory_equal(f->s.text, none, sizeof(none));
		assert_memory_equal(f->s.bytes, none, sizeof(f->s.bytes));
		end(f);
	}
}

static void
an_exchange_goes_on_until_it_is_decided(void **state)
{
	struct fixture *f = begin(&clear, false);

	(void)state;
	assert_int_equal(say(f, SPAN("t AUTHENTICATE LOGIN\r\n"), 5),
	    IMAP_LOGIN_AUTH);
	assert_true(f->s.began && !f->s.has_response);
	assert_int_equal(imap_login_auth(&f->s, IMAP_LOGIN_CONTINUE,
			     SPAN("Username:")),
	    IMAP_LOGIN_INPUT);
	assert_span(buf_span(&f->out), SPAN("+ VXNlcm5hbWU6\r\n"));
	assert_int_equal(say(f, SPAN("Ym9i\r\n"), 1), IMAP_LOGIN_AUTH);
	assert_true(!f->s.began);
	assert_span(f->s.response, SPAN("bob"));
	assert_int_equal(imap_login_auth(&f->s, IMAP_LOGIN_DENIED, SPAN("")),
	    IMAP_LOGIN_INPUT);
	assert_span(buf_span(&f->out),
	    SPAN("t NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"));
	assert_int_equal(say(f, SPAN("u AUTHENTICATE PLAIN\r\n"), 5),
	    IMAP_LOGIN_AUTH);
	assert_int_equal(imap_login_auth(&f->s, IMAP_LOGIN_CONTINUE, SPAN("")),
	    IMAP_LOGIN_INPUT);
	/* What looks like a literal is none here. */
	assert_int_equal(say(f, SPAN("{3+}\r\n"), 1), IMAP_LOGIN_INPUT);
	assert_span(buf_span(&f->out),
	    SPAN("u BAD Invalid base64 data in response.\r\n"));
	assert_int_equal(say(f, SPAN("v NOOP\r\n"), 9), IMAP_LOGIN_INPUT);
	assert_span(buf_span(&f->out), SPAN("v OK NOOP completed.\r\n"));
	end(f);
}

static void
an_exchange_can_be_given_up(void **state)
{
	struct fixture *f = begin(&clear, false);

	(void)state;
	assert_int_equal(say(f, SPAN("t AUTHENTICATE PLAIN\r\n"), 99),
	    IMAP_LOGIN_AUTH);
	(void)imap_login_auth(&f->s, IMAP_LOGIN_CONTINUE, SPAN(""));
	assert_int_equal(say(f, SPAN("*\r\n"), 99), IMAP_LOGIN_INPUT);
	assert_span(buf_span(&f->out),
	    SPAN("t BAD Authentication aborted.\r\n"));
	assert_int_equal(say(f, SPAN("u LOGIN a b\r\n"), 99), IMAP_LOGIN_AUTH);
	(void)imap_login_auth(&f->s, IMAP_LOGIN_UNKNOWN, SPAN(""));
	assert_span(buf_span(&f->out),
	    SPAN("u NO [UNAVAILABLE] Temporary authentication failure.\r\n"));
	end(f);
}

/* What follows the login, or STARTTLS, is left where it is. */
static void
nothing_is_taken_beyond(void **state)
{
	struct fixture *f = begin(&clear, false);
	struct span in = SPAN("a LOGIN u p\r\nb SELECT INBOX\r\n");

	(void)state;
	while (f->s.want == IMAP_LOGIN_INPUT)
		(void)imap_login_feed(&f->s, &in);
	assert_int_equal(f->s.want, IMAP_LOGIN_AUTH);
	assert_span(in, SPAN("b SELECT INBOX\r\n"));
	end(f);
}

static void
tls_ends_what_was_said_before(void **state)
{
	struct fixture *f = begin(&strict, false);

	(void)state;
	assert_int_equal(say(f, SPAN("a STARTTLS\r\n"), 99), IMAP_LOGIN_TLS);
	assert_int_equal(imap_login_tls(&f->s, true), IMAP_LOGIN_INPUT);
	assert_int_equal(say(f, SPAN("b LOGIN u p\r\n"), 99), IMAP_LOGIN_AUTH);
	end(f);
	f = begin(&strict, false);
	assert_int_equal(say(f, SPAN("a STARTTLS\r\n"), 99), IMAP_LOGIN_TLS);
	assert_int_equal(imap_login_tls(&f->s, false), IMAP_LOGIN_CLOSE);
	end(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_are_answered),
		TEST(the_greeting_tells_capabilities),
		TEST(logins_become_plain),
		TEST(an_exchange_goes_on_until_it_is_decided),
		TEST(an_exchange_can_be_given_up),
		TEST(nothing_is_taken_beyond),
		TEST(tls_ends_what_was_said_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
