#include "tests/unit/test.h"

#include "queue/notify.h"
#include "smtpd/session.h"

static bool
is_forbidden(struct span word)
{
	return span_ieq(word, SPAN("CONNECT")) || span_ieq(word, SPAN("GET"));
}

static bool
is_noop(struct span word)
{
	return span_ieq(word, SPAN("XNOOP"));
}

static struct smtpd_config config = {
	.myhostname = "mx.demo.test",
	.banner = "mx.demo.test ESMTP Postfix",
	.size_limit = 3000,
	.soft_errors = 10,
	.hard_errors = 100,
	.junk_commands = 100,
	.rcpt_limit = 3,
	.rcpt_overshoot = 1000,
	.bare_lf_code = 550,
	.delay_reject = true,
	.ehlo = SMTPD_EHLO_PIPELINING | SMTPD_EHLO_SIZE | SMTPD_EHLO_VRFY |
	    SMTPD_EHLO_ENHANCED | SMTPD_EHLO_8BITMIME | SMTPD_EHLO_DSN,
	.lists = BIT(ACCESS_RELAY) | BIT(ACCESS_LISTED),
	.is_forbidden = is_forbidden,
	.is_noop = is_noop,
};

static const struct access_facts stranger = {
	.client_name = SPAN_INIT("unknown"),
	.client_addr = SPAN_INIT("192.0.2.1"),
};

/* Only mail for alice@demo.test is taken, in whatever way she is written. */
static struct access_verdict
judge(const struct access_facts *f)
{
	struct access_verdict v = { .action = ACCESS_REJECT };

	if (!f->rcpt.p || span_ieq(f->rcpt, SPAN("alice@demo.test")))
		return (struct access_verdict){ 0 };
	v.code = 454;
	snprintf(v.dsn, sizeof(v.dsn), "4.7.1");
	snprintf(v.text, sizeof(v.text), "<%.*s>: Relay access denied",
	    (int)f->rcpt.n, f->rcpt.p);
	return v;
}

/* "right" is; "later" is not known yet; anything else is wrong. */
static void
answer_auth(struct smtpd_session *s)
{
	struct span r = s->auth.response;
	struct smtpd_auth_answer a = {
		.result = !r.p                  ? SMTPD_AUTH_CHALLENGE
		    : span_eq(r, SPAN("right")) ? SMTPD_AUTH_OK
		    : span_eq(r, SPAN("later")) ? SMTPD_AUTH_UNKNOWN
						: SMTPD_AUTH_FAILED,
		.user = SPAN("alice"),
		.text = SPAN("because"),
	};

	session_auth(s, &a);
}

/* Answers all that is wanted but a line. */
static void
settle(struct smtpd_session *s, enum smtpd_data result)
{
	struct access_verdict v;

	for (;;)
		switch (s->want) {
		case SMTPD_WANT_ACCESS:
			v = judge(&s->facts);
			session_access(s, &v);
			break;
		case SMTPD_WANT_SPACE:
			session_space(s, true);
			break;
		case SMTPD_WANT_DATA:
			session_data(s, result);
			break;
		case SMTPD_WANT_COMMIT:
			session_committed(s, SMTPD_DATA_OK, SPAN("ID"));
			break;
		case SMTPD_WANT_TLS:
			session_tls(s, true);
			break;
		case SMTPD_WANT_AUTH:
			answer_auth(s);
			break;
		case SMTPD_WANT_LINE:
		case SMTPD_WANT_CLOSE:
			return;
		}
}

/* A line, and the reply to it and to what comes of it. */
struct turn {
	struct span line;
	struct span reply;
};

#define TURN(line, reply) \
	{ \
		SPAN_INIT(line), SPAN_INIT(reply "\r\n") \
	}
#define KEYWORDS \
	"250-mx.demo.test\r\n250-PIPELINING\r\n250-SIZE 3000\r\n" \
	"250-VRFY\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 DSN"
#define OPTION "555 5.5.4 Unsupported option: "
#define SENDER "MAIL FROM:<a@b.test>"
#define ALICE "RCPT TO:<alice@demo.test>"
#define BAD_NOTIFY "501 5.5.4 Error: Bad NOTIFY parameter syntax"
#define BAD_ORCPT "501 5.5.4 Error: Bad ORCPT parameter syntax"
#define NEED_MAIL "503 5.5.1 Error: need MAIL command"
#define NEED_RCPT "503 5.5.1 Error: need RCPT command"
#define TOO_MANY "452 4.5.3 Error: too many recipients"
#define DELIVERED \
	"354 End data with <CR><LF>.<CR><LF>\r\n" \
	"250 2.0.0 Ok: queued as ID"

/* As an installed Postfix 3.7 answers, but where a comment says otherwise. */
static const struct turn turns[] = {
	TURN("HELO", "501 Syntax: HELO hostname"),
	TURN("EHLO", "501 Syntax: EHLO hostname"),
	TURN("HELP", "500 5.5.2 Error: command not recognized"),
	TURN("FOO", "500 5.5.2 Error: command not recognized"),
	TURN("", "500 5.5.2 Error: bad syntax"),
	TURN(" ", "500 5.5.2 Error: bad syntax"),
	TURN("DATA", NEED_RCPT),
	TURN(ALICE, NEED_MAIL),
	TURN("VRFY", "501 5.5.4 Syntax: VRFY address"), /* no SMTPUTF8 */
	TURN("VRFY alice@demo.test", "252 2.0.0 alice@demo.test"),
	TURN("VRFY x@y.test", "454 4.7.1 <x@y.test>: Relay access denied"),
	TURN("VRFY a b", "501 5.1.3 Bad recipient address syntax"),
	TURN("EHLO x y", KEYWORDS),
	TURN("helo x", "250 mx.demo.test"),
	TURN("EHLO [1.2.3.4]", KEYWORDS),
	TURN("RSET x", "501 5.5.4 Syntax: RSET"),
	TURN("RSET", "250 2.0.0 Ok"),
	TURN("NOOP x", "250 2.0.0 Ok"),
	TURN("xnoop", "250 2.0.0 Ok"),
	TURN("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
	TURN("MAIL FROM", "501 5.5.4 Syntax: MAIL FROM:<address>"),
	TURN("MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"),
	TURN("MAIL FROM a@b", "501 5.5.4 Syntax: MAIL FROM:<address>"),
	TURN("MAIL FROM:<a b@c>", "501 5.1.7 Bad sender address syntax"),
	TURN("MAIL FROM:<a@b..test>", "501 5.1.7 Bad sender address syntax"),
	TURN("MAIL FROM: a@b.test SIZE=4000",
	    "552 5.3.4 Message size exceeds fixed limit"),
	TURN("MAIL FROM: a@b.test SIZE=99999999999999999999999",
	    "552 5.3.4 Message size exceeds file system imposed limit"),
	TURN(SENDER " SIZE=x", "501 5.5.4 Bad message size syntax"),
	TURN(SENDER " SIZE=", "501 5.5.4 Bad message size syntax"),
	TURN(SENDER " BODY=FOO", OPTION "BODY=FOO"),
	TURN(SENDER " FOO=BAR", OPTION "FOO=BAR"),
	TURN(SENDER " FOO", OPTION "FOO"),
	TURN(SENDER " SMTPUTF8", OPTION "SMTPUTF8"),
	TURN(SENDER " RET=FOO", "501 5.5.4 Bad RET parameter syntax"),
	TURN(SENDER " RET=FULL RET=HDRS", "501 5.5.4 Bad RET parameter syntax"),
	TURN(SENDER " ENVID=", "501 5.5.4 Bad ENVID parameter syntax"),
	TURN(SENDER " ENVID=a+2", "501 5.5.4 Bad ENVID parameter syntax"),
	TURN(SENDER " ENVID=a+0Ab", "501 5.5.4 Bad ENVID parameter syntax"),
	TURN(SENDER " ENVID=a ENVID=b", "501 5.5.4 Bad ENVID parameter syntax"),
	TURN(SENDER " ret=full envid=x+2By", "250 2.1.0 Ok"),
	TURN("RSET", "250 2.0.0 Ok"),
	TURN(ALICE, NEED_MAIL),
	TURN(SENDER " AUTH=<>", "250 2.1.0 Ok"),
	TURN(SENDER, "503 5.5.1 Error: nested MAIL command"),
	TURN("RSET", "250 2.0.0 Ok"),
	TURN("MAIL FROM:<a>", "250 2.1.0 Ok"),
	TURN("HELO y", "250 mx.demo.test"),
	TURN(ALICE, NEED_MAIL),
	TURN(SENDER " BODY=8BITMIME SIZE=10", "250 2.1.0 Ok"),
	TURN("DATA", "554 5.5.1 Error: no valid recipients"),
	TURN("RCPT", "501 5.5.4 Syntax: RCPT TO:<address>"),
	TURN("RCPT FROM:<a@b>", "501 5.5.4 Syntax: RCPT TO:<address>"),
	TURN("RCPT TO:", "501 5.5.4 Syntax: RCPT TO:<address>"),
	TURN("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
	TURN("RCPT TO:<x@y.test>", "454 4.7.1 <x@y.test>: Relay access denied"),
	TURN("RCPT TO:<a b>", "501 5.1.3 Bad recipient address syntax"),
	TURN("DATA", "554 5.5.1 Error: no valid recipients"),
	TURN(ALICE " NOTIFY=", BAD_NOTIFY),
	TURN(ALICE " NOTIFY=FOO", BAD_NOTIFY),
	TURN(ALICE " NOTIFY=NEVER,FAILURE", BAD_NOTIFY),
	TURN(ALICE " NOTIFY=FAILURE,NEVER", BAD_NOTIFY),
	TURN(ALICE " NOTIFY=NEVER NOTIFY=NEVER", BAD_NOTIFY),
	TURN(ALICE " NOTIFY", OPTION "NOTIFY"),
	TURN(ALICE " ORCPT=", BAD_ORCPT),
	TURN(ALICE " ORCPT=rfc822", BAD_ORCPT),
	TURN(ALICE " ORCPT=rfc822;a+2", BAD_ORCPT),
	TURN(ALICE " ORCPT=;a", BAD_ORCPT),
	TURN(ALICE " ORCPT=rfc 822;a", BAD_ORCPT),
	TURN(ALICE " ORCPT=rfc822;a+0Ab", BAD_ORCPT), /* which Postfix takes */
	TURN(ALICE " ORCPT=x400;a@b ORCPT=rfc822;x", BAD_ORCPT),
	TURN(ALICE " FOO=1", OPTION "FOO=1"),
	TURN("RCPT TO:<Postmaster>", "250 2.1.5 Ok"),
	TURN("RCPT TO:<\"alice\"@demo.test>", "250 2.1.5 Ok"),
	TURN("RCPT TO:<@x.test,@y.test:alice@demo.test>", "250 2.1.5 Ok"),
	TURN(ALICE, TOO_MANY),
	TURN("DATA x", "501 5.5.4 Syntax: DATA"),
	TURN("VRFY alice@demo.test", "252 2.0.0 alice@demo.test"),
	TURN("DATA", DELIVERED),
	TURN("DATA", NEED_RCPT),
	TURN(ALICE, NEED_MAIL),
	TURN("STARTTLS", "502 5.5.1 Error: command not implemented"),
	TURN("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"),
	TURN("MAIL FROM:<>", "250 2.1.0 Ok"),
	TURN("EHLO c", KEYWORDS),
	TURN("DATA", NEED_RCPT),
	TURN("Subject: foo",
	    "221 2.7.0 Error: I can break rules, too. Goodbye."),
};

static void
replies_are_those_of_postfix(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(65536);
	static char storage[4096];
	struct smtpd_session s;
	struct buf out;
	char counts[256];
	struct buf c;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &config, &stranger, arena, &out);
	assert_span(buf_span(&out), SPAN("220 mx.demo.test ESMTP Postfix\r\n"));
	for (size_t i = 0; i < COUNT_OF(turns); i++) {
		buf_drop(&out, out.n);
		print_message("# %s\n", turns[i].line.p);
		session_line(&s, guarded(turns[i].line));
		settle(&s, SMTPD_DATA_OK);
		assert_span(buf_span(&out), turns[i].reply);
	}
	assert_int_equal(s.want, SMTPD_WANT_CLOSE);
	buf_init(&c, counts, sizeof(counts));
	session_put_counts(&s, &c);
	assert_span(buf_span(&c),
	    SPAN("helo=2/3 ehlo=3/4 starttls=0/1 auth=0/1 mail=5/26 "
		 "rcpt=4/28 data=1/7 rset=3/4 noop=2 vrfy=2/5 "
		 "unknown=0/5 commands=22/86"));
}

/* RFC 3461: what was asked for is kept as it is meant, until the mail is over. */
static void
what_is_to_be_told_is_kept(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(65536);
	char storage[2048];
	struct smtpd_session s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &config, &stranger, arena, &out);
	session_line(&s, SPAN("EHLO c"));
	buf_drop(&out, out.n);
	session_line(&s, SPAN(SENDER " RET=HDRS ENVID=a+2B+20b"));
	settle(&s, SMTPD_DATA_OK);
	session_line(&s,
	    SPAN(ALICE " NOTIFY=failure,,DELAY, ORCPT=rfc822;x+2By@z"));
	settle(&s, SMTPD_DATA_OK);
	session_line(&s, SPAN(ALICE));
	settle(&s, SMTPD_DATA_OK);
	assert_int_equal(s.txn.ret, QUEUE_RET_HDRS);
	assert_span(s.txn.envid, SPAN("a+ b"));
	assert_int_equal(s.txn.rcpts->notify,
	    QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY);
	assert_span(s.txn.rcpts->orcpt, SPAN("rfc822;x+y@z"));
	assert_int_equal(s.txn.rcpts->next->notify, 0);
	assert_null(s.txn.rcpts->next->orcpt.p);
	session_line(&s, SPAN("RSET"));
	assert_null(s.txn.envid.p);
	assert_int_equal(s.txn.ret, 0);
	s.ehlo &= ~(unsigned)SMTPD_EHLO_DSN;
	buf_drop(&out, out.n);
	session_line(&s, SPAN(SENDER " RET=HDRS"));
	assert_span(buf_span(&out),
	    SPAN("501 5.7.1 DSN support is disabled\r\n"));
}

/* STATE 01: after any end of the data nothing of the mail is left. */
static void
every_end_of_data_ends_the_transaction(void **state)
{
	static const struct {
		enum smtpd_data result;
		struct span reply;
	} rows[] = {
		{ SMTPD_DATA_TOO_BIG,
		    SPAN_INIT("552 5.3.4 Error: message file too big\r\n") },
		{ SMTPD_DATA_HOPS,
		    SPAN_INIT("554 5.4.0 Error: too many hops\r\n") },
		{ SMTPD_DATA_FULL,
		    SPAN_INIT("452 4.3.1 Insufficient system storage\r\n") },
		{ SMTPD_DATA_FAILED,
		    SPAN_INIT("451 4.3.0 Error: queue file write error\r\n") },
	};
	static const struct span lines[] = { SPAN_INIT("HELO c"),
		SPAN_INIT(SENDER), SPAN_INIT(ALICE), SPAN_INIT("DATA") };
	char storage[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena CLEANUP(arena_freep) = arena_new(65536);
		struct smtpd_session s;
		struct buf out;

		buf_init(&out, storage, sizeof(storage));
		session_init(&s, &config, &stranger, arena, &out);
		for (size_t k = 0; k < COUNT_OF(lines); k++) {
			session_line(&s, lines[k]);
			buf_drop(&out, out.n);
			settle(&s, rows[i].result);
		}
		assert_span(buf_span(&out), rows[i].reply);
		assert_int_equal(s.txn.n, 0);
		assert_int_equal(s.state, SMTPD_HELLO);
		buf_drop(&out, out.n);
		session_line(&s, SPAN(ALICE));
		assert_span(buf_span(&out), SPAN(NEED_MAIL "\r\n"));
	}
}

/* Whatever the limit of the arena, each step ends in whole replies. */
static void
every_arena_limit(void **state)
{
	char storage[2048];

	(void)state;
	for (size_t limit = 0; limit <= 512; limit += 16) {
		struct arena *arena CLEANUP(arena_freep) = arena_new(limit);
		struct smtpd_session s;
		struct buf out;

		buf_init(&out, storage, sizeof(storage));
		session_init(&s, &config, &stranger, arena, &out);
		for (size_t i = 0; i + 1 < COUNT_OF(turns); i++) {
			buf_drop(&out, out.n);
			session_line(&s, turns[i].line);
			settle(&s, SMTPD_DATA_OK);
			assert_true(out.n > 5);
			assert_memory_equal(out.p + out.n - 2, "\r\n", 2);
		}
	}
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* STATE 08: a small automaton of what RFC 5321 allows, walked at random. */
static void
a_random_walk_keeps_to_the_automaton(void **state)
{
	static const struct span lines[] = { SPAN_INIT("HELO c"),
		SPAN_INIT("EHLO c"), SPAN_INIT(SENDER), SPAN_INIT(ALICE),
		SPAN_INIT("RCPT TO:<x@y.test>"), SPAN_INIT("DATA"),
		SPAN_INIT("RSET"), SPAN_INIT("NOOP"),
		SPAN_INIT("VRFY x@y.test"), SPAN_INIT("MAIL FROM:<a b>"),
		SPAN_INIT("RCPT TO:<>"), SPAN_INIT("BOGUS") };
	struct arena *arena CLEANUP(arena_freep) = arena_new(65536);
	bool has_sender = false;
	size_t rcpts = 0;
	struct smtpd_session s;
	char storage[2048];
	uint32_t seed = 1;
	struct buf out;

	(void)state;
	config.hard_errors = INT64_MAX;
	config.junk_commands = INT64_MAX;
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &config, &stranger, arena, &out);
	for (int step = 0; step < 100000; step++) {
		size_t k = next_random(&seed) % COUNT_OF(lines);
		enum smtpd_data result = next_random(&seed) %
		    SMTPD_DATA_BARE_LF;
		char want = '5';

		buf_drop(&out, out.n);
		session_line(&s, lines[k]);
		char first = out.n ? out.p[0] : s.want == SMTPD_WANT_CLOSE;
		settle(&s, result);
		if (!first || first == 0)
			first = out.p[0];
		switch (k) {
		case 0:
		case 1:
		case 6:
			has_sender = false;
			rcpts = 0;
			want = '2';
			break;
		case 2:
			want = has_sender ? '5' : '2';
			has_sender = true;
			break;
		case 3:
			want = !has_sender ? '5' : rcpts < 3 ? '2' : '4';
			rcpts += has_sender && rcpts < 3;
			break;
		case 4:
			want = has_sender ? '4' : '5';
			break;
		case 5:
			want = rcpts ? '3' : '5';
			if (rcpts) {
				has_sender = false;
				rcpts = 0;
			}
			break;
		case 7:
			want = '2';
			break;
		case 8:
			want = '4';
			break;
		}
		assert_int_equal(first, want);
		assert_int_equal(s.txn.n, rcpts);
		assert_int_equal(s.state == SMTPD_MAIL || s.state == SMTPD_RCPT,
		    has_sender);
	}
	config.hard_errors = config.junk_commands = 100;
}

static void
refusals_come_when_they_are_not_delayed(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(65536);
	struct access_verdict v = {
		.action = ACCESS_REJECT,
		.code = 554,
		.dsn = "5.7.1",
		.text = "go",
	};
	struct smtpd_config own = config;
	struct smtpd_session s;
	static char storage[2048];
	struct buf out;

	(void)state;
	own.delay_reject = false;
	own.lists = BIT(ACCESS_CLIENT);
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(session_init(&s, &own, &stranger, arena, &out),
	    SMTPD_WANT_ACCESS);
	assert_int_equal(session_access(&s, &v), SMTPD_WANT_LINE);
	assert_span(buf_span(&out), SPAN("554 5.7.1 go\r\n"));
	buf_drop(&out, out.n);
	session_line(&s, SPAN("EHLO c"));
	assert_span(buf_span(&out),
	    SPAN("503 5.7.0 Error: access denied for "
		 "unknown[192.0.2.1]\r\n"));
	assert_int_equal(session_line(&s, SPAN("QUIT")), SMTPD_WANT_CLOSE);

	/* Who says a wrong name may say another. */
	own.lists = BIT(ACCESS_HELO);
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &own, &stranger, arena, &out);
	assert_int_equal(session_line(&s, SPAN("HELO c")), SMTPD_WANT_ACCESS);
	assert_int_equal(session_access(&s, &v), SMTPD_WANT_LINE);
	assert_int_equal(s.state, SMTPD_START);
	own.lists = BIT(ACCESS_SENDER);
	buf_init(&out, storage, sizeof(storage));
	assert_int_equal(session_init(&s, &own, &stranger, arena, &out),
	    SMTPD_WANT_LINE);
	assert_int_equal(session_line(&s, SPAN(SENDER)), SMTPD_WANT_ACCESS);
	assert_int_equal(session_access(&s, &v), SMTPD_WANT_LINE);
	assert_int_equal(s.state, SMTPD_START);
	own.helo_required = true;
	buf_drop(&out, out.n);
	session_line(&s, SPAN(SENDER));
	assert_span(buf_span(&out),
	    SPAN("503 5.5.1 Error: send HELO/EHLO first\r\n"));
}

#define MUST_TLS "530 5.7.0 Must issue a STARTTLS command first"
#define SECURE_KEYWORDS \
	"250-mx.demo.test\r\n250-PIPELINING\r\n250-SIZE 3000\r\n" \
	"250-VRFY\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n" \
	"250-8BITMIME\r\n250 DSN"

/* TLSX 03 and 04: it comes twice, in a transaction, and all is told anew. */
static const struct turn tls_turns[] = {
	TURN("EHLO c", SECURE_KEYWORDS),
	TURN("NOOP", "250 2.0.0 Ok"),
	TURN(SENDER, MUST_TLS),
	TURN("RSET", MUST_TLS),
	TURN("FOO", MUST_TLS),
	TURN("VRFY alice@demo.test", MUST_TLS),
	TURN("STARTTLS x", "501 5.5.4 Syntax: STARTTLS"),
	TURN("starttls", "220 2.0.0 Ready to start TLS"),
	TURN("STARTTLS", "554 5.5.1 Error: TLS already active"),
	TURN(SENDER, "503 5.5.1 Error: send HELO/EHLO first"),
	TURN("EHLO c", KEYWORDS),
	TURN(SENDER, "250 2.1.0 Ok"),
	TURN("STARTTLS", "554 5.5.1 Error: TLS already active"),
	TURN(ALICE, "250 2.1.5 Ok"),
	TURN("DATA", DELIVERED),
	TURN("QUIT", "221 2.0.0 Bye"),
};

/* What is left of a session after each turn is looked at by the replies. */
static void
take_turns(struct smtpd_session *s, struct buf *out, const struct turn *t,
    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_drop(out, out->n);
		session_line(s, t[i].line);
		settle(s, SMTPD_DATA_OK);
		assert_span(buf_span(out), t[i].reply);
	}
}

static void
tls_is_required_offered_and_forgets(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 16);
	struct smtpd_config own = config;
	static char storage[8192];
	struct smtpd_session s;
	struct buf out;

	(void)state;
	own.ehlo |= SMTPD_EHLO_STARTTLS;
	own.tls_required = true;
	own.helo_required = true;
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &own, &stranger, arena, &out);
	take_turns(&s, &out, tls_turns, COUNT_OF(tls_turns));
	assert_span(session_with(&s), SPAN("ESMTPS"));
	assert_span(session_protocol(&s), SPAN("ESMTP"));

	/* In the middle of a mail: it is gone. */
	own.tls_required = false;
	session_init(&s, &own, &stranger, arena, &out);
	session_line(&s, SPAN("EHLO c"));
	session_line(&s, SPAN(SENDER));
	settle(&s, SMTPD_DATA_OK);
	buf_drop(&out, out.n);
	assert_int_equal(session_line(&s, SPAN("STARTTLS")), SMTPD_WANT_TLS);
	assert_int_equal(session_tls(&s, true), SMTPD_WANT_LINE);
	assert_int_equal(s.state, SMTPD_START);
	assert_int_equal(s.txn.sender.n, 0);
	assert_int_equal(session_helo(&s).n, 0);
	assert_int_equal(s.ok[SMTPD_CMD_STARTTLS], 1);
}

static void
tls_that_fails_ends_the_session(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 16);
	struct smtpd_config own = config;
	static char storage[8192];
	struct smtpd_session s;
	struct buf out;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &own, &stranger, arena, &out);
	buf_drop(&out, out.n);
	session_line(&s, SPAN("STARTTLS"));
	own.tls_broken = true;
	session_line(&s, SPAN("STARTTLS"));
	assert_span(buf_span(&out),
	    SPAN("502 5.5.1 Error: command not implemented\r\n"
		 "454 4.7.0 TLS not available due to local problem\r\n"));
	own.tls_broken = false;
	s.ehlo |= SMTPD_EHLO_STARTTLS;
	session_line(&s, SPAN("STARTTLS"));
	assert_int_equal(session_tls(&s, false), SMTPD_WANT_CLOSE);
	assert_int_equal(s.all[SMTPD_CMD_STARTTLS], 3);
	assert_int_equal(s.ok[SMTPD_CMD_STARTTLS], 0);
}

/* AUTH, as it is after EHLO; the words are base64 of "right", "later", "no". */
static const struct turn auth_turns[] = {
	TURN("AUTH", "501 5.5.4 Syntax: AUTH mechanism"),
	TURN("AUTH PLAIN a b", "501 5.5.4 Syntax: AUTH mechanism"),
	TURN("AUTH NTLM", "504 5.5.4 Error: unrecognized authentication type"),
	TURN("AUTH PLAIN x", "501 5.5.2 Error: malformed response"),
	TURN("AUTH PLAIN bm8=",
	    "535 5.7.8 Error: authentication failed: because"),
	TURN("AUTH PLAIN =", "535 5.7.8 Error: authentication failed: because"),
	TURN("AUTH PLAIN bGF0ZXI=",
	    "454 4.7.0 Temporary authentication failure: because"),
	TURN("AUTH PLAIN", "334 YmVjYXVzZQ=="),
	TURN("*", "501 5.7.0 Authentication aborted"),
	TURN("AUTH PLAIN", "334 YmVjYXVzZQ=="),
	TURN("QUIT?", "501 5.5.2 Error: malformed response"),
	TURN(SENDER, "250 2.1.0 Ok"),
	TURN("AUTH PLAIN", "503 5.5.1 Error: MAIL transaction in progress"),
	TURN("RSET", "250 2.0.0 Ok"),
	TURN("auth login", "334 YmVjYXVzZQ=="),
	TURN("cmlnaHQ=", "235 2.7.0 Authentication successful"),
	TURN("AUTH PLAIN", "503 5.5.1 Error: already authenticated"),
};

static void
auth_is_an_exchange_of_lines(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 16);
	static char storage[4 * SMTPD_REPLY_MAX];
	struct smtpd_config c = config;
	struct smtpd_session s;
	struct buf out;

	(void)state;
	c.auth = true;
	c.auth_limit = 100;
	c.auth_mechs = c.auth_tls_mechs = "PLAIN LOGIN";
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &c, &stranger, arena, &out);
	buf_drop(&out, out.n);
	session_line(&s, SPAN("AUTH PLAIN"));
	assert_span(buf_span(&out),
	    SPAN("503 5.5.1 Error: send HELO/EHLO first\r\n"));
	session_line(&s, SPAN("EHLO x.test"));
	for (size_t i = 0; i < COUNT_OF(auth_turns); i++) {
		buf_drop(&out, out.n);
		session_line(&s, guarded(auth_turns[i].line));
		settle(&s, SMTPD_DATA_OK);
		assert_span(buf_span(&out), auth_turns[i].reply);
		assert_int_equal(s.want, SMTPD_WANT_LINE);
	}
	assert_span(session_user(&s), SPAN("alice"));
	assert_span(session_with(&s), SPAN("ESMTPA"));
	assert_true(s.facts.authenticated);
	assert_int_equal(s.ok[SMTPD_CMD_AUTH], 1);
	/* 454 is nobody's error: all but that, 235 and the 334s. */
	assert_int_equal(s.errors, 11);
}

static void
what_is_too_long_ends_an_exchange(void **state)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 16);
	static char storage[4 * SMTPD_REPLY_MAX];
	struct smtpd_config c = config;
	struct smtpd_session s;
	struct buf out;

	(void)state;
	c.auth = true;
	c.auth_limit = 4;
	c.auth_mechs = "PLAIN";
	buf_init(&out, storage, sizeof(storage));
	session_init(&s, &c, &stranger, arena, &out);
	session_line(&s, SPAN("EHLO x.test"));
	buf_drop(&out, out.n);
	session_line(&s, SPAN("AUTH PLAIN bGF0ZXI="));
	assert_span(buf_span(&out),
	    SPAN("500 5.5.6 SASL response limit exceeded\r\n"));
	session_line(&s, SPAN("AUTH PLAIN"));
	settle(&s, SMTPD_DATA_OK);
	buf_drop(&out, out.n);
	session_overlong(&s);
	assert_span(buf_span(&out),
	    SPAN("500 5.5.6 SASL response limit exceeded\r\n"));
	assert_int_equal(s.want, SMTPD_WANT_CLOSE);
}

static void
auth_is_offered_where_it_is_allowed(void **state)
{
	static const struct {
		bool tls_only, old_form;
		const char *mechs;
		const char *line; /* NULL: none in the clear */
	} rows[] = {
		{ false, false, "PLAIN LOGIN", "250-AUTH PLAIN LOGIN\r\n" },
		{ false, true, "PLAIN", "250-AUTH=PLAIN\r\n250-AUTH PLAIN" },
		{ true, false, "PLAIN", NULL },
		{ false, false, "", NULL },
	};
	static char storage[4 * SMTPD_REPLY_MAX];
	struct smtpd_session s;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 16);
		struct smtpd_config c = config;

		c.auth = true;
		c.auth_tls_only = rows[i].tls_only;
		c.auth_old_form = rows[i].old_form;
		c.auth_mechs = rows[i].mechs;
		c.auth_tls_mechs = "PLAIN";
		c.ehlo |= SMTPD_EHLO_AUTH | SMTPD_EHLO_STARTTLS;
		buf_init(&out, storage, sizeof(storage));
		session_init(&s, &c, &stranger, arena, &out);
		session_line(&s, SPAN("EHLO x.test"));
		if (rows[i].line)
			assert_non_null(memmem(out.p, out.n, rows[i].line,
			    strlen(rows[i].line)));
		else
			assert_null(memmem(out.p, out.n, "AUTH", 4));
		session_line(&s, SPAN("STARTTLS"));
		settle(&s, SMTPD_DATA_OK);
		buf_drop(&out, out.n);
		session_line(&s, SPAN("EHLO x.test"));
		assert_non_null(memmem(out.p, out.n, "AUTH PLAIN\r\n", 12));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(replies_are_those_of_postfix),
		TEST(what_is_to_be_told_is_kept),
		TEST(every_end_of_data_ends_the_transaction),
		TEST(every_arena_limit),
		TEST(a_random_walk_keeps_to_the_automaton),
		TEST(refusals_come_when_they_are_not_delayed),
		TEST(tls_is_required_offered_and_forgets),
		TEST(tls_that_fails_ends_the_session),
		TEST(auth_is_an_exchange_of_lines),
		TEST(what_is_too_long_ends_an_exchange),
		TEST(auth_is_offered_where_it_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
