#include "tests/unit/test.h"

#include "lmtp/session.h"

static const struct lmtp_config config = {
	.myhostname = "mx.demo.test",
	.banner = "mx.demo.test LMTP Postrider",
	.size_limit = 3000,
	.rcpt_limit = 3,
	.errors_max = 20,
};

struct talk {
	struct arena *arena;
	struct lmtp_session s;
	struct buf out;
	char storage[16384];
};

static void
begin(struct talk *t, size_t memory)
{
	t->arena = arena_new(memory);
	buf_init(&t->out, t->storage, sizeof(t->storage));
	lmtp_init(&t->s, &config, t->arena, &t->out);
	snprintf(t->s.id, sizeof(t->s.id), "ID");
}

static void
end(struct talk *t)
{
	arena_free(t->arena);
}

/* alice is there, later@ is not known yet, nobody else is. */
static enum lmtp_found
find(struct span addr)
{
	if (span_ieq(addr, SPAN("alice@demo.test")) ||
	    span_ieq(addr, SPAN("full@demo.test")) ||
	    span_ieq(addr, SPAN("huge@demo.test")) ||
	    span_ieq(addr, SPAN("away@demo.test")))
		return LMTP_FOUND;
	return span_ieq(addr, SPAN("later@demo.test")) ? LMTP_TEMPFAIL
						       : LMTP_UNKNOWN;
}

static void
deliver(struct lmtp_session *s)
{
	for (struct lmtp_rcpt *r = s->rcpts; r; r = r->next) {
		r->outcome.sent = span_ieq(r->addr, SPAN("alice@demo.test"));
		if (span_ieq(r->addr, SPAN("full@demo.test")))
			r->outcome = (struct lmtp_outcome){
				.dsn = SPAN("4.2.2"),
				.text = SPAN("it is\r\n250 full"),
			};
		else if (span_ieq(r->addr, SPAN("huge@demo.test")))
			r->outcome.dsn = SPAN("5.2.2");
	}
}

/* Answers all that is wanted but a line. */
static void
settle(struct lmtp_session *s, enum lmtp_data data)
{
	for (;;)
		switch (s->want) {
		case LMTP_WANT_RCPT:
			lmtp_rcpt(s, find(s->checked));
			break;
		case LMTP_WANT_DATA:
			lmtp_data(s, data);
			break;
		case LMTP_WANT_DELIVERY:
			deliver(s);
			lmtp_delivered(s);
			break;
		case LMTP_WANT_REPLY:
			lmtp_reply(s);
			break;
		case LMTP_WANT_LINE:
		case LMTP_WANT_CLOSE:
			return;
		}
}

/* Says lines that end in \n; what is answered is in ->out alone. */
static void
say(struct talk *t, const char *lines, enum lmtp_data data)
{
	struct span rest = span_str(lines);

	buf_drop(&t->out, t->out.n);
	while (rest.n > 0 && t->s.want == LMTP_WANT_LINE) {
		lmtp_line(&t->s, guarded(span_cut(&rest, '\n')));
		settle(&t->s, data);
	}
	must(!t->out.overflow);
}

struct row {
	const char *say;
	struct span want;
};

static void
run_rows(const struct row *rows, size_t n, const char *before)
{
	for (size_t i = 0; i < n; i++) {
		struct talk *t = calloc(1, sizeof(*t));

		begin(t, 1 << 16);
		say(t, before, LMTP_DATA_OK);
		say(t, rows[i].say, LMTP_DATA_OK);
		assert_span(buf_span(&t->out), rows[i].want);
		end(t);
		free(t);
	}
}

static void
each_command_has_its_reply(void **state)
{
	static const struct row rows[] = {
		{ "LHLO c.test",
		    SPAN_INIT("250-mx.demo.test\r\n250-PIPELINING\r\n"
			      "250-SIZE 3000\r\n250-ENHANCEDSTATUSCODES\r\n"
			      "250 8BITMIME\r\n") },
		{ "LHLO", SPAN_INIT("501 5.5.4 Syntax: LHLO hostname\r\n") },
		{ "EHLO c.test",
		    SPAN_INIT("503 5.5.1 Error: this is LMTP, send LHLO\r\n") },
		{ "helo c.test",
		    SPAN_INIT("503 5.5.1 Error: this is LMTP, send LHLO\r\n") },
		{ "MAIL FROM:<>",
		    SPAN_INIT("503 5.5.1 Error: send LHLO first\r\n") },
		{ "NOOP x", SPAN_INIT("250 2.0.0 OK\r\n") },
		{ "VRFY alice", SPAN_INIT("252 2.3.3 Try RCPT instead\r\n") },
		{ "RSET", SPAN_INIT("250 2.0.0 OK\r\n") },
		{ "QUIT", SPAN_INIT("221 2.0.0 Bye\r\n") },
		{ "", SPAN_INIT("") },
		{ "XYZZY\n",
		    SPAN_INIT("500 5.5.2 Error: command not recognized\r\n") },
		{ "\x01\x02\n",
		    SPAN_INIT("500 5.5.2 Error: command not recognized\r\n") },
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "");
}

static void
a_transaction_has_an_order(void **state)
{
	static const struct row rows[] = {
		{ "MAIL FROM:<a@b> SIZE=3000 BODY=8BITMIME",
		    SPAN_INIT("250 2.1.0 OK\r\n") },
		{ "MAIL FROM:<a@b> SIZE=3001",
		    SPAN_INIT(
			"552 5.3.4 Message size exceeds fixed limit\r\n") },
		{ "MAIL FROM:<a@b> SIZE=x",
		    SPAN_INIT("501 5.5.4 Bad message size syntax\r\n") },
		{ "MAIL FROM:<a@b> SMTPUTF8",
		    SPAN_INIT("555 5.5.4 Unsupported option: SMTPUTF8\r\n") },
		{ "MAIL FROM:<a@b\nMAIL FROM:<",
		    SPAN_INIT("501 5.1.7 Bad sender address syntax\r\n"
			      "501 5.1.7 Bad sender address syntax\r\n") },
		{ "MAIL a@b",
		    SPAN_INIT("501 5.5.4 Syntax: MAIL FROM:<address>\r\n") },
		{ "MAIL FROM:<>\nMAIL FROM:<>",
		    SPAN_INIT("250 2.1.0 OK\r\n"
			      "503 5.5.1 Error: nested MAIL command\r\n") },
		{ "RCPT TO:<alice@demo.test>",
		    SPAN_INIT("503 5.5.1 Error: need MAIL command\r\n") },
		{ "DATA", SPAN_INIT("503 5.5.1 Error: need RCPT command\r\n") },
		{ "MAIL FROM:<>\nRCPT TO:<bob@demo.test>\nDATA",
		    SPAN_INIT("250 2.1.0 OK\r\n550 5.1.1 <bob@demo.test> User "
			      "doesn't exist: bob@demo.test\r\n"
			      "503 5.5.1 No valid recipients\r\n") },
		{ "MAIL FROM:<>\nRCPT TO:<>\nRCPT TO:<alice@demo.test> X=1",
		    SPAN_INIT("250 2.1.0 OK\r\n"
			      "501 5.1.3 Bad recipient address syntax\r\n"
			      "555 5.5.4 Unsupported option: X=1\r\n") },
		{ "MAIL FROM:<>\nRCPT TO:<later@demo.test>",
		    SPAN_INIT("250 2.1.0 OK\r\n451 4.3.0 <later@demo.test> "
			      "Temporary internal error\r\n") },
		{ "MAIL FROM:<>\nRCPT TO:<alice@demo.test>\nRSET\nDATA",
		    SPAN_INIT("250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
			      "250 2.0.0 OK\r\n"
			      "503 5.5.1 Error: need RCPT command\r\n") },
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "LHLO c.test");
}

#define ENVELOPE \
	"LHLO c.test\nMAIL FROM:<a@b>\nRCPT TO:<alice@demo.test>\n" \
	"RCPT TO:<bob@demo.test>\n"

/* RFC 2033, section 4.2: in their order, and of those who were accepted. */
static void
each_accepted_recipient_has_a_reply(void **state)
{
	static const struct row rows[] = {
		{ "DATA",
		    SPAN_INIT("354 End data with <CR><LF>.<CR><LF>\r\n"
			      "250 2.0.0 <alice@demo.test> ID Saved\r\n") },
		{ "RCPT TO:<full@demo.test>\nRCPT TO:<away@demo.test>\n"
		  "RCPT TO:<alice@demo.test>\nDATA\nNOOP",
		    SPAN_INIT("250 2.1.5 OK\r\n250 2.1.5 OK\r\n"
			      "452 4.5.3 Error: too many recipients\r\n"
			      "354 End data with <CR><LF>.<CR><LF>\r\n"
			      "250 2.0.0 <alice@demo.test> ID Saved\r\n"
			      "452 4.2.2 <full@demo.test> it is??250 full\r\n"
			      "451 4.3.0 <away@demo.test> Temporary internal "
			      "error\r\n250 2.0.0 OK\r\n") },
		{ "RCPT TO:<huge@demo.test>\nDATA",
		    SPAN_INIT("250 2.1.5 OK\r\n"
			      "354 End data with <CR><LF>.<CR><LF>\r\n"
			      "250 2.0.0 <alice@demo.test> ID Saved\r\n"
			      "552 5.2.2 <huge@demo.test> Temporary internal "
			      "error\r\n") },
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), ENVELOPE);
}

static void
data_that_is_not_kept_is_refused_for_each(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));

	(void)state;
	begin(t, 1 << 16);
	say(t, ENVELOPE "RCPT TO:<full@demo.test>", LMTP_DATA_OK);
	say(t, "DATA", LMTP_DATA_TOO_BIG);
	assert_span(buf_span(&t->out),
	    SPAN("354 End data with <CR><LF>.<CR><LF>\r\n"
		 "552 5.3.4 Message size exceeds fixed limit\r\n"
		 "552 5.3.4 Message size exceeds fixed limit\r\n"));
	say(t, ENVELOPE, LMTP_DATA_OK);
	say(t, "DATA", LMTP_DATA_FULL);
	assert_span(buf_span(&t->out),
	    SPAN("354 End data with <CR><LF>.<CR><LF>\r\n"
		 "452 4.3.1 Insufficient system storage\r\n"));
	end(t);
	free(t);
}

static void
who_is_wrong_all_the_time_is_sent_away(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));

	(void)state;
	begin(t, 1 << 16);
	say(t, "LHLO c.test\nMAIL FROM:<>", LMTP_DATA_OK);
	for (int i = 0; i < 100; i++)
		say(t, "RCPT TO:<bob@demo.test>", LMTP_DATA_OK);
	assert_int_equal(t->s.want, LMTP_WANT_LINE);
	for (int i = 0; i < config.errors_max; i++) {
		assert_int_equal(t->s.want, LMTP_WANT_LINE);
		say(t, "XYZZY", LMTP_DATA_OK);
	}
	assert_int_equal(t->s.want, LMTP_WANT_CLOSE);
	assert_string_equal(t->s.broken, "too many errors");
	end(t);
	free(t);
}

static void
commands_are_counted(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	char text[256];
	struct buf b;

	(void)state;
	begin(t, 1 << 16);
	say(t, ENVELOPE "DATA\nEHLO x\nQUIT", LMTP_DATA_OK);
	buf_init(&b, text, sizeof(text));
	lmtp_put_counts(&t->s, &b);
	assert_span(buf_span(&b),
	    SPAN("lhlo=1 mail=1 rcpt=1/2 data=1 quit=1 unknown=0/1 "
		 "commands=5/7"));
	end(t);
	free(t);
}

/* Whatever memory there is, each line has a reply that says so. */
static void
every_limit_of_memory_ends_in_a_reply(void **state)
{
	(void)state;
	for (size_t limit = 0; limit < 1024; limit += 8) {
		struct talk *t = calloc(1, sizeof(*t));

		begin(t, limit);
		say(t, ENVELOPE "RCPT TO:<full@demo.test>\nDATA\nQUIT",
		    LMTP_DATA_OK);
		assert_int_equal(t->s.want, LMTP_WANT_CLOSE);
		assert_true(t->out.n > 20);
		end(t);
		free(t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_command_has_its_reply),
		TEST(a_transaction_has_an_order),
		TEST(each_accepted_recipient_has_a_reply),
		TEST(data_that_is_not_kept_is_refused_for_each),
		TEST(who_is_wrong_all_the_time_is_sent_away),
		TEST(commands_are_counted),
		TEST(every_limit_of_memory_ends_in_a_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
