#include "tests/unit/test.h"

#include "pop3d/login.h"
#include "pop3d/mailbox.h"
#include "pop3d/stuff.h"

#define CAPA_COMMON \
	"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n" \
	"PIPELINING\r\n"

/* What the client says, what it is told, and what the session wants then. */
struct step {
	struct span line;
	const char *reply;
	unsigned want;
};

static const struct pop3_login_config clear = {
	.greeting = "ready",
	.has_tls = true,
	.clear_too = true,
	.errors_max = 100,
};
static const struct pop3_login_config strict = {
	.greeting = "ready",
	.has_tls = true,
	.errors_max = 3,
};
static const struct pop3_login_config bare = {
	.greeting = "ready",
	.clear_too = true,
	.errors_max = 100,
};

static void
login_step(struct pop3_login *s, const struct step *step)
{
	enum pop3_login_want want;

	buf_drop(s->out, s->out->n);
	want = pop3_login_line(s, guarded(step->line));
	assert_span(buf_span(s->out), span_str(step->reply));
	assert_int_equal(want, step->want);
	assert_false(s->out->overflow);
}

/* Each step is a session of its own. */
static void
login_commands(void **state)
{
	static const struct {
		const struct pop3_login_config *config;
		bool tls;
		struct step step;
	} rows[] = {
		{ &clear, false,
		    { SPAN_INIT("CAPA"),
			CAPA_COMMON "STLS\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
			0 } },
		{ &clear, true,
		    { SPAN_INIT("capa"),
			CAPA_COMMON "USER\r\nSASL PLAIN\r\n.\r\n", 0 } },
		{ &strict, false,
		    { SPAN_INIT("CAPA"), CAPA_COMMON "STLS\r\n.\r\n", 0 } },
		{ &bare, false,
		    { SPAN_INIT("CAPA"),
			CAPA_COMMON "USER\r\nSASL PLAIN\r\n.\r\n", 0 } },
		{ &bare, false,
		    { SPAN_INIT("STLS"), "-ERR TLS support isn't enabled.\r\n",
			0 } },
		{ &clear, true,
		    { SPAN_INIT("STLS"), "-ERR TLS is already active.\r\n",
			0 } },
		{ &clear, false,
		    { SPAN_INIT("STLS"), "+OK Begin TLS negotiation now.\r\n",
			POP3_LOGIN_TLS } },
		{ &strict, false,
		    { SPAN_INIT("USER alice"),
			"-ERR [AUTH] Passwords are taken only with TLS.\r\n",
			0 } },
		{ &strict, false,
		    { SPAN_INIT("AUTH PLAIN AGEAYg=="),
			"-ERR [AUTH] Passwords are taken only with TLS.\r\n",
			0 } },
		{ &strict, true, { SPAN_INIT("USER alice"), "+OK\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("USER"), "-ERR Invalid user name.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("USER a\0b"), "-ERR Invalid user name.\r\n",
			0 } },
		{ &clear, false,
		    { SPAN_INIT("PASS x"), "-ERR No username given.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("AUTH"), "+OK\r\nPLAIN\r\n.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("AUTH LOGIN"),
			"-ERR Unsupported authentication mechanism.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("AUTH PLAIN !"),
			"-ERR Invalid base64 data in response.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("AUTH PLAIN ="), "", POP3_LOGIN_AUTH } },
		{ &clear, false, { SPAN_INIT("NOOP"), "+OK\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("STAT"), "-ERR Unknown command.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT(""), "-ERR Unknown command.\r\n", 0 } },
		{ &clear, false,
		    { SPAN_INIT("QUIT"), "+OK Logging out\r\n",
			POP3_LOGIN_CLOSE } },
	};
	char storage[POP3_LOGIN_OUT];
	struct pop3_login s;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&out, storage, sizeof(storage));
		pop3_login_init(&s, rows[i].config, rows[i].tls, &out);
		assert_span(buf_span(&out), SPAN("+OK ready\r\n"));
		login_step(&s, &rows[i].step);
		pop3_login_fini(&s);
	}
}

static void
user_and_password_become_plain(void **state)
{
	static const struct step user = { SPAN_INIT("USER alice"), "+OK\r\n",
		0 };
	static const struct step pass = { SPAN_INIT("PASS  a b "), "",
		POP3_LOGIN_AUTH };
	char storage[POP3_LOGIN_OUT];
	static const char none[POP3_RESPONSE_MAX];
	struct pop3_login s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	pop3_login_init(&s, &clear, false, &out);
	login_step(&s, &user);
	login_step(&s, &pass);
	assert_span(s.response, SPAN("\0alice\0 a b "));
	assert_int_equal(pop3_login_auth(&s, POP3_LOGIN_DENIED),
	    POP3_LOGIN_LINE);
	assert_span(buf_span(&out),
	    SPAN("-ERR [AUTH] Authentication failed.\r\n"));
	assert_memory_equal(s.bytes, none, sizeof(none));
	login_step(&s, &user);
	login_step(&s, &pass);
	assert_int_equal(pop3_login_auth(&s, POP3_LOGIN_UNKNOWN),
	    POP3_LOGIN_LINE);
	assert_span(buf_span(&out),
	    SPAN("-ERR [SYS/TEMP] Temporary authentication failure.\r\n"));
	login_step(&s, &user);
	login_step(&s, &pass);
	assert_int_equal(pop3_login_auth(&s, POP3_LOGIN_OK),
	    POP3_LOGIN_HAND_OVER);
	assert_int_equal(out.n, 0);
}

static void
auth_plain_in_one_line_and_in_two(void **state)
{
	static const struct step steps[] = {
		{ SPAN_INIT("auth plain"), "+ \r\n", 0 },
		{ SPAN_INIT("*"), "-ERR Authentication aborted.\r\n", 0 },
		{ SPAN_INIT("AUTH PLAIN"), "+ \r\n", 0 },
		{ SPAN_INIT("QUIT!"),
		    "-ERR Invalid base64 data in response.\r\n", 0 },
		{ SPAN_INIT("AUTH PLAIN"), "+ \r\n", 0 },
		{ SPAN_INIT("AGEAYg=="), "", POP3_LOGIN_AUTH },
	};
	static const struct step initial = { SPAN_INIT("AUTH PLAIN AGEAYg=="),
		"", POP3_LOGIN_AUTH };
	char storage[POP3_LOGIN_OUT];
	struct pop3_login s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	pop3_login_init(&s, &clear, false, &out);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		login_step(&s, &steps[i]);
	assert_span(s.response, SPAN("\0a\0b"));
	pop3_login_auth(&s, POP3_LOGIN_DENIED);
	login_step(&s, &initial);
	assert_span(s.response, SPAN("\0a\0b"));
}

static void
too_long_a_name_or_password_is_refused(void **state)
{
	char storage[POP3_LOGIN_OUT], line[POP3_LINE_MAX];
	static const struct step user = { SPAN_INIT("USER a"), "+OK\r\n", 0 };
	struct step step = { .line = { line, 5 + POP3_USER_MAX } };
	struct pop3_login s;
	struct buf out;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	buf_init(&out, storage, sizeof(storage));
	pop3_login_init(&s, &clear, false, &out);
	step.reply = "+OK\r\n";
	login_step(&s, &step);
	step.line.n++;
	step.reply = "-ERR Invalid user name.\r\n";
	login_step(&s, &step);
	login_step(&s, &user);
	memcpy(line, "PASS ", 5);
	step.line.n = sizeof(line);
	step.reply = "-ERR Invalid password.\r\n";
	login_step(&s, &step);
	assert_int_equal(s.response.n, 0);
}

static void
tls_forgets_the_name(void **state)
{
	static const struct step before[] = {
		{ SPAN_INIT("USER alice"), "+OK\r\n", 0 },
		{ SPAN_INIT("STLS"), "+OK Begin TLS negotiation now.\r\n",
		    POP3_LOGIN_TLS },
	};
	static const struct step pass = { SPAN_INIT("PASS b"),
		"-ERR No username given.\r\n", 0 };
	char storage[POP3_LOGIN_OUT];
	struct pop3_login s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	pop3_login_init(&s, &clear, false, &out);
	for (size_t i = 0; i < COUNT_OF(before); i++)
		login_step(&s, &before[i]);
	assert_int_equal(pop3_login_tls(&s, true), POP3_LOGIN_LINE);
	login_step(&s, &pass);
	pop3_login_init(&s, &clear, false, &out);
	login_step(&s, &before[1]);
	assert_int_equal(pop3_login_tls(&s, false), POP3_LOGIN_CLOSE);
}

static void
refusals_end_a_login(void **state)
{
	static const struct step steps[] = {
		{ SPAN_INIT("X"), "-ERR Unknown command.\r\n", 0 },
		{ SPAN_INIT("X"), "-ERR Unknown command.\r\n", 0 },
		{ SPAN_INIT("X"), "-ERR Too many errors.\r\n",
		    POP3_LOGIN_CLOSE },
	};
	char storage[POP3_LOGIN_OUT];
	struct pop3_login s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	pop3_login_init(&s, &strict, false, &out);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		login_step(&s, &steps[i]);
}

static void
mailbox_step(struct pop3_mailbox *s, const struct step *step)
{
	enum pop3_want want;

	buf_drop(s->out, s->out->n);
	want = pop3_line(s, guarded(step->line));
	assert_span(buf_span(s->out), span_str(step->reply));
	assert_int_equal(want, step->want);
	assert_false(s->out->overflow);
}

static void
begin(struct pop3_mailbox *s, struct pop3_message *messages, size_t n,
    struct buf *out)
{
	*s = (struct pop3_mailbox){
		.messages = messages,
		.n = n,
		.uidvalidity = 77,
		.uidl_format = "%v.%u",
		.out = out,
		.errors_max = 100,
	};
	pop3_begin(s);
	assert_span(buf_span(out), SPAN("+OK Logged in.\r\n"));
}

static const struct step dialogue[] = {
	{ SPAN_INIT("CAPA"), CAPA_COMMON ".\r\n", 0 },
	{ SPAN_INIT("STAT"), "+OK 3 70000000600\r\n", 0 },
	{ SPAN_INIT("LIST"),
	    "+OK 3 messages (70000000600 octets)\r\n"
	    "1 100\r\n2 70000000000\r\n3 500\r\n.\r\n",
	    0 },
	{ SPAN_INIT("UIDL 2"), "+OK 2 77.5\r\n", 0 },
	{ SPAN_INIT("list  2 "), "+OK 2 70000000000\r\n", 0 },
	{ SPAN_INIT("LIST 4"), "-ERR There is no message with that number.\r\n",
	    0 },
	{ SPAN_INIT("LIST 0"), "-ERR There is no message with that number.\r\n",
	    0 },
	{ SPAN_INIT("LIST -1"), "-ERR Invalid message number.\r\n", 0 },
	{ SPAN_INIT("LIST 4294967297"), "-ERR Invalid message number.\r\n", 0 },
	{ SPAN_INIT("LIST 1x"), "-ERR Invalid message number.\r\n", 0 },
	{ SPAN_INIT("LIST 1 2"), "-ERR Noise after message number.\r\n", 0 },
	{ SPAN_INIT("RETR"), "-ERR Invalid message number.\r\n", 0 },
	{ SPAN_INIT("TOP 1"), "-ERR Invalid number of lines.\r\n", 0 },
	{ SPAN_INIT("TOP 1 x"), "-ERR Invalid number of lines.\r\n", 0 },
	{ SPAN_INIT("DELE 2"), "+OK Marked to be deleted.\r\n", 0 },
	{ SPAN_INIT("DELE 2"), "-ERR Message is deleted.\r\n", 0 },
	{ SPAN_INIT("RETR 2"), "-ERR Message is deleted.\r\n", 0 },
	{ SPAN_INIT("STAT"), "+OK 2 600\r\n", 0 },
	{ SPAN_INIT("UIDL"),
	    "+OK 2 messages (600 octets)\r\n"
	    "1 77.4\r\n3 77.4294967295\r\n.\r\n",
	    0 },
	{ SPAN_INIT("RSET"), "+OK\r\n", 0 },
	{ SPAN_INIT("STAT"), "+OK 3 70000000600\r\n", 0 },
	{ SPAN_INIT("USER a"), "-ERR Unknown command.\r\n", 0 },
	{ SPAN_INIT("NOOP"), "+OK\r\n", 0 },
	{ SPAN_INIT("QUIT"), "+OK Logging out.\r\n", POP3_WANT_CLOSE },
};

static void
mailbox_commands(void **state)
{
	struct pop3_message messages[] = {
		{ .uid = 4, .size = 100 },
		{ .uid = 5, .size = 70000000000 },
		{ .uid = UINT32_MAX, .size = 500 },
	};
	char storage[POP3_MAILBOX_OUT];
	struct pop3_mailbox s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	begin(&s, messages, COUNT_OF(messages), &out);
	for (size_t i = 0; i < COUNT_OF(dialogue); i++)
		mailbox_step(&s, &dialogue[i]);
}

static void
messages_are_sent_or_why_not(void **state)
{
	static const struct step retr = { SPAN_INIT("RETR 1"), "",
		POP3_WANT_OPEN };
	static const struct step top = { SPAN_INIT("TOP 1 20"), "",
		POP3_WANT_OPEN };
	struct pop3_message message = { .uid = 4, .size = 100 };
	char storage[POP3_MAILBOX_OUT];
	struct pop3_mailbox s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	begin(&s, &message, 1, &out);
	mailbox_step(&s, &retr);
	assert_false(s.is_top);
	assert_int_equal(pop3_opened(&s, POP3_OPENED), POP3_WANT_BODY);
	assert_span(buf_span(&out), SPAN("+OK 100 octets\r\n"));
	assert_int_equal(pop3_sent(&s), POP3_WANT_LINE);
	mailbox_step(&s, &top);
	assert_true(s.is_top && s.lines == 20 && s.at == 0);
	assert_int_equal(pop3_opened(&s, POP3_GONE), POP3_WANT_LINE);
	assert_span(buf_span(&out),
	    SPAN("-ERR Message is already expunged.\r\n"));
	mailbox_step(&s, &retr);
	assert_int_equal(pop3_opened(&s, POP3_UNREADABLE), POP3_WANT_LINE);
	assert_span(buf_span(&out),
	    SPAN("-ERR [SYS/TEMP] Message cannot be read now.\r\n"));
}

static void
quit_deletes_and_says_if_it_failed(void **state)
{
	static const struct step dele = { SPAN_INIT("DELE 1"),
		"+OK Marked to be deleted.\r\n", 0 };
	static const struct step quit = { SPAN_INIT("QUIT"), "",
		POP3_WANT_DELETE };
	static const struct span replies[] = {
		SPAN_INIT("-ERR [SYS/TEMP] Some deleted messages were not "
			  "removed.\r\n"),
		SPAN_INIT("+OK Logging out, messages deleted.\r\n"),
	};
	char storage[POP3_MAILBOX_OUT];
	struct pop3_mailbox s;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		struct pop3_message message = { .uid = 4, .size = 100 };

		buf_init(&out, storage, sizeof(storage));
		begin(&s, &message, 1, &out);
		mailbox_step(&s, &dele);
		mailbox_step(&s, &quit);
		assert_true(message.deleted);
		assert_int_equal(pop3_deleted(&s, i), POP3_WANT_CLOSE);
		assert_span(buf_span(&out), replies[i]);
	}
}

static void
long_lists_come_in_pieces(void **state)
{
	enum {
		N = 1000
	};
	struct pop3_message *messages = zalloc(N * sizeof(*messages));
	char storage[POP3_MAILBOX_OUT];
	struct pop3_mailbox s;
	enum pop3_want want;
	struct buf out;
	size_t rows = 0;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	begin(&s, messages, N, &out);
	want = pop3_line(&s, SPAN("UIDL"));
	while (true) {
		for (size_t i = 0; i < out.n; i++)
			rows += out.p[i] == '\n';
		if (want != POP3_WANT_ROOM)
			break;
		buf_drop(&out, out.n);
		want = pop3_go_on(&s);
	}
	assert_int_equal(want, POP3_WANT_LINE);
	/* "Logged in", the list's own reply, and its end. */
	assert_int_equal(rows, N + 3);
	assert_false(out.overflow);
	free(messages);
}

/* Puts `in` through in pieces of `step` bytes, by a buffer with little room. */
static struct span
stuff(struct stuff *s, struct span in, size_t step, char *result)
{
	char storage[STUFF_ROOM + 1];
	struct buf out;
	size_t n = 0;

	buf_init(&out, storage, sizeof(storage));
	while (in.n > 0) {
		size_t m = in.n < step ? in.n : step;
		struct span piece = guarded((struct span){ in.p, m });

		while (piece.n > 0) {
			stuff_put(s, &piece, &out);
			memcpy(result + n, out.p, out.n);
			n += out.n;
			buf_drop(&out, out.n);
		}
		in.p += m;
		in.n -= m;
	}
	stuff_end(s, &out);
	assert_false(out.overflow);
	memcpy(result + n, out.p, out.n);
	return (struct span){ result, n + out.n };
}

static void
messages_are_stuffed(void **state)
{
	static const struct {
		struct span in;
		struct span want;
		int top; /* -1: RETR */
	} rows[] = {
		{ SPAN_INIT(""), SPAN_INIT(".\r\n"), -1 },
		{ SPAN_INIT("a\nb\n"), SPAN_INIT("a\r\nb\r\n.\r\n"), -1 },
		{ SPAN_INIT("a\r\nb\r\n"), SPAN_INIT("a\r\nb\r\n.\r\n"), -1 },
		{ SPAN_INIT("a\nb"), SPAN_INIT("a\r\nb\r\n.\r\n"), -1 },
		{ SPAN_INIT(".\n..\n.a.\n"),
		    SPAN_INIT("..\r\n...\r\n..a.\r\n.\r\n"), -1 },
		{ SPAN_INIT("\n.\r\n\n"), SPAN_INIT("\r\n..\r\n\r\n.\r\n"),
		    -1 },
		{ SPAN_INIT("."), SPAN_INIT("..\r\n.\r\n"), -1 },
		{ SPAN_INIT("a\rb\r\r\n\0\xff\n"),
		    SPAN_INIT("a\rb\r\r\n\0\xff\r\n.\r\n"), -1 },
		{ SPAN_INIT("a long line that goes on\n"),
		    SPAN_INIT("a long line that goes on\r\n.\r\n"), -1 },
		{ SPAN_INIT("H: 1\n\nb\nc\n"), SPAN_INIT("H: 1\r\n\r\n.\r\n"),
		    0 },
		{ SPAN_INIT("H: 1\r\n\r\nb\r\nc\r\n"),
		    SPAN_INIT("H: 1\r\n\r\nb\r\n.\r\n"), 1 },
		{ SPAN_INIT("H: 1\n\n\n.c\nd\n"),
		    SPAN_INIT("H: 1\r\n\r\n\r\n..c\r\n.\r\n"), 2 },
		{ SPAN_INIT("H: 1\n\nb"), SPAN_INIT("H: 1\r\n\r\nb\r\n.\r\n"),
		    9 },
		{ SPAN_INIT("H: 1\nI: 2\n"), SPAN_INIT("H: 1\r\nI: 2\r\n.\r\n"),
		    0 },
	};
	char result[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
			struct stuff s;

			if (rows[i].top < 0)
				stuff_all(&s);
			else
				stuff_top(&s, (uint64_t)rows[i].top);
			assert_span(stuff(&s, rows[i].in, step, result),
			    rows[i].want);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(login_commands),
		TEST(user_and_password_become_plain),
		TEST(auth_plain_in_one_line_and_in_two),
		TEST(too_long_a_name_or_password_is_refused),
		TEST(tls_forgets_the_name),
		TEST(refusals_end_a_login),
		TEST(mailbox_commands),
		TEST(messages_are_sent_or_why_not),
		TEST(quit_deletes_and_says_if_it_failed),
		TEST(long_lists_come_in_pieces),
		TEST(messages_are_stuffed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
