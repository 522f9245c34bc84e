#include "tests/unit/test.h"

#include "base/sock.h"
#include "mail/date.h"
#include "mail/maillog.h"

#include <sys/socket.h>
#include <time.h>

static char packet[LOG_PACKET_MAX];
static char storage[LOG_PACKET_MAX * 8];
static struct buf out;
static int fds[2];

/* The record that the last call sent. */
static struct log_record
sent(void)
{
	int got[SOCK_FDS_MAX];
	struct log_record r;
	size_t n;
	ssize_t len = sock_recv(fds[0], packet, sizeof(packet), got, &n);

	assert_true(len > 0);
	assert_true(
	    log_decode(guarded((struct span){ packet, (size_t)len }), &r));
	return r;
}

static struct span
rendered(void)
{
	struct log_record r = sent();

	buf_init(&out, storage, sizeof(storage));
	maillog_render_text(&r, &out);
	assert_false(out.overflow);
	return buf_span(&out);
}

static struct span
tag(void)
{
	struct log_record r = sent();

	buf_init(&out, storage, sizeof(storage));
	buf_put(&out, log_get(&r, LOG_FIELD_TAG));
	return buf_span(&out);
}

static const struct log_client client = {
	.name = SPAN_INIT("mail.example.com"),
	.addr = SPAN_INIT("203.0.113.9"),
};

enum {
	SECOND = 1000000,
};

static struct log_delivery
delivery(void)
{
	return (struct log_delivery){
		.service = "virtual",
		.id = SPAN("4F9D14A2C8"),
		.to = SPAN("alice@demo.test"),
		.orig_to = SPAN("postmaster@demo.test"),
		.relay = SPAN("virtual"),
		.arrived = 1000LL * SECOND,
		.active = 1000LL * SECOND + 14000,
		.begun = 1000LL * SECOND + 16000,
		.ended = 1000LL * SECOND + 150000,
		.dsn = SPAN("2.0.0"),
		.status = DELIVERY_SENT,
		.text = SPAN("delivered to maildir"),
	};
}

static void
a_delivery_is_logged_as_ever(void **state)
{
	struct log_delivery d = delivery();

	(void)state;
	maillog_delivery(&d);
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: to=<alice@demo.test>, "
		 "orig_to=<postmaster@demo.test>, relay=virtual, delay=0.15, "
		 "delays=0.01/0/0/0.13, dsn=2.0.0, status=sent "
		 "(delivered to maildir)"));
	d.orig_to = d.to;
	d.connected = d.begun + 2 * SECOND;
	d.ended = d.connected + 31 * SECOND;
	d.status = DELIVERY_DEFERRED;
	maillog_delivery(&d);
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: to=<alice@demo.test>, relay=virtual, delay=33, "
		 "delays=0.01/0/2/31, dsn=2.0.0, status=deferred "
		 "(delivered to maildir)"));
	maillog_delivery(&d);
	assert_span(tag(), SPAN("postfix/virtual"));
}

static void
the_life_of_a_message(void **state)
{
	struct span id = SPAN("4F9D14A2C8");

	(void)state;
	maillog_active(id, SPAN("a@b.test"), 1234, 2);
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: from=<a@b.test>, size=1234, nrcpt=2 "
		 "(queue active)"));
	maillog_active(id, (struct span){ 0 }, 1, 1);
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: from=<>, size=1, nrcpt=1 (queue active)"));
	maillog_removed(id);
	assert_span(rendered(), SPAN("4F9D14A2C8: removed"));
	maillog_expired(id, SPAN("a@b.test"));
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: from=<a@b.test>, status=expired, returned to "
		 "sender"));
	maillog_message_id(id, SPAN("<1@b.test>"));
	assert_span(rendered(), SPAN("4F9D14A2C8: message-id=<1@b.test>"));
	maillog_message_id(id, SPAN("<1@b.test>"));
	assert_span(tag(), SPAN("postfix/cleanup"));
	maillog_submitted(id, 1000, SPAN("alice"));
	assert_span(rendered(), SPAN("4F9D14A2C8: uid=1000 from=<alice>"));
	maillog_submitted(id, 0, (struct span){ 0 });
	assert_span(tag(), SPAN("postfix/pickup"));
	maillog_notification(id, SPAN("sender non-delivery notification"),
	    SPAN("4F9D14A2C9"));
	assert_span(rendered(),
	    SPAN("4F9D14A2C8: sender non-delivery notification: 4F9D14A2C9"));
	maillog_notification(id, SPAN("x"), SPAN("y"));
	assert_span(tag(), SPAN("postfix/bounce"));
}

static void
the_life_of_a_session(void **state)
{
	struct span none = { 0 };

	(void)state;
	maillog_connect(&client);
	assert_span(rendered(),
	    SPAN("connect from mail.example.com[203.0.113.9]"));
	maillog_disconnect(&client, SPAN("ehlo=1 quit=1 commands=2"));
	assert_span(rendered(),
	    SPAN("disconnect from mail.example.com[203.0.113.9] "
		 "ehlo=1 quit=1 commands=2"));
	maillog_broken(&client, SPAN("lost connection"), SPAN("RCPT"));
	assert_span(rendered(),
	    SPAN("lost connection after RCPT from "
		 "mail.example.com[203.0.113.9]"));
	maillog_client(SPAN("ABC"), &client, none, none, none);
	assert_span(rendered(),
	    SPAN("ABC: client=mail.example.com[203.0.113.9]"));
	maillog_client(SPAN("ABC"), &client, SPAN("PLAIN"), SPAN("bob"),
	    SPAN("smtpd_relay_restrictions: permit_sasl_authenticated"));
	assert_span(rendered(),
	    SPAN("ABC: client=mail.example.com[203.0.113.9], "
		 "sasl_method=PLAIN, sasl_username=bob"));
	maillog_not_smtp(&client, SPAN("GET / HTTP/1.0"));
	assert_span(rendered(),
	    SPAN("warning: non-SMTP command from "
		 "mail.example.com[203.0.113.9]: GET / HTTP/1.0"));
	maillog_bad_address(&client, SPAN("MAIL"), SPAN("<a b>"));
	assert_span(rendered(),
	    SPAN("warning: Illegal address syntax from "
		 "mail.example.com[203.0.113.9] in MAIL command: <a b>"));
}

static void
a_refusal_tells_what_was_known(void **state)
{
	struct log_reject r = {
		.what = SPAN("reject"),
		.verb = SPAN("RCPT"),
		.client = client,
		.reply = SPAN("554 5.7.1 <x@y.test>: Relay access denied"),
		.sender = SPAN(""),
		.rcpt = SPAN("x@y.test"),
		.proto = SPAN("ESMTP"),
		.helo = SPAN("h"),
	};

	(void)state;
	maillog_reject(&r);
	assert_span(rendered(),
	    SPAN("NOQUEUE: reject: RCPT from mail.example.com[203.0.113.9]: "
		 "554 5.7.1 <x@y.test>: Relay access denied; from=<> "
		 "to=<x@y.test> proto=ESMTP helo=<h>"));
	r.sender = r.rcpt = r.helo = (struct span){ 0 };
	r.id = SPAN("ABC");
	maillog_reject(&r);
	assert_span(rendered(),
	    SPAN("ABC: reject: RCPT from mail.example.com[203.0.113.9]: "
		 "554 5.7.1 <x@y.test>: Relay access denied; proto=ESMTP"));
}

/* Tried with Postfix's own format_tv. */
static void
times_have_two_digits_that_count(void **state)
{
	static const struct {
		int64_t us;
		struct span text;
	} rows[] = {
		{ -1, SPAN_INIT("0") },
		{ 0, SPAN_INIT("0") },
		{ 4999, SPAN_INIT("0") },
		{ 5000, SPAN_INIT("0.01") },
		{ 14999, SPAN_INIT("0.01") },
		{ 100000, SPAN_INIT("0.1") },
		{ 111000, SPAN_INIT("0.11") },
		{ 996000, SPAN_INIT("1") },
		{ 1110000, SPAN_INIT("1.1") },
		{ 1050000, SPAN_INIT("1.1") },
		{ 9960000, SPAN_INIT("10") },
		{ 11100000, SPAN_INIT("11") },
		{ 99600000, SPAN_INIT("100") },
		{ 1110LL * SECOND, SPAN_INIT("1110") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&out, storage, sizeof(storage));
		maillog_put_delay(&out, rows[i].us);
		assert_span(buf_span(&out), rows[i].text);
	}
}

static void
nobody_begins_a_line_of_his_own(void **state)
{
	struct log_reject r = {
		.what = SPAN("reject"),
		.verb = SPAN("RCPT"),
		.client = client,
		.reply = SPAN("554 x"),
		.helo = SPAN("a\r\nNov 21\x1b[2J\x7f{to}"),
	};

	(void)state;
	maillog_reject(&r);
	assert_span(rendered(),
	    SPAN("NOQUEUE: reject: RCPT from mail.example.com[203.0.113.9]: "
		 "554 x; helo=<a??Nov 21?[2J?{to}>"));
}

static void
lines_for_people(void **state)
{
	(void)state;
	log_warning("disk %d%% full", 90);
	assert_span(rendered(), SPAN("warning: disk 90% full"));
	log_about(LOG_LEVEL_INFO, "ABC", "hello");
	assert_span(rendered(), SPAN("ABC: hello"));
}

static void
json_is_valid_whatever_came(void **state)
{
	struct log_record r = {
		.level = LOG_LEVEL_INFO,
		.event = MAILLOG_ACTIVE,
		.pid = 7,
		.time = 1792616278123456,
		.n = 5,
		.fields = {
			{ LOG_FIELD_ID, SPAN_INIT("A\"\\\n") },
			{ MAILLOG_FIELD_FROM,
			    SPAN_INIT("\xc3\xa9\xff\xed\xa0\x80") },
			{ MAILLOG_FIELD_SIZE, SPAN_INIT("12") },
			{ MAILLOG_FIELD_NRCPT, SPAN_INIT("01") },
			{ MAILLOG_FIELD_SIZE, SPAN_INIT("13") },
		},
	};

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	maillog_render_json(&r, SPAN("mx"), &out);
	assert_span(buf_span(&out),
	    SPAN("{\"time\":\"2026-10-21T20:57:58.123456+00:00\","
		 "\"host\":\"mx\",\"pid\":7,\"level\":\"info\","
		 "\"event\":\"ACTIVE\",\"id\":\"A\\\"\\\\\\u000a\","
		 "\"from\":\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		 "\xef\xbf\xbd\",\"size\":12,\"nrcpt\":\"01\"}"));
}

static void
dates(void **state)
{
	int64_t us = 1792616278123456;

	(void)state;
	buf_init(&out, storage, sizeof(storage));
	date_put_header(&out, us);
	assert_span(buf_span(&out),
	    SPAN("Wed, 21 Oct 2026 20:57:58 +0000 (UTC)"));
}

/* As Dovecot 2.3 writes them, and fail2ban's filter for it reads. */
static void
logins_have_dovecots_form(void **state)
{
	struct log_login g = {
		.tag = "dovecot",
		.process = "imap-login",
		.user = SPAN("alice@demo.test"),
		.method = SPAN("PLAIN"),
		.remote = SPAN("203.0.113.9"),
		.local = SPAN("192.0.2.1"),
		.secured = SPAN("TLS"),
		.session = SPAN("abc"),
		.mailbox_pid = 123,
	};

	(void)state;
	maillog_login(&g);
	assert_span(rendered(),
	    SPAN("imap-login: Login: user=<alice@demo.test>, method=PLAIN, "
		 "rip=203.0.113.9, lip=192.0.2.1, mpid=123, TLS, "
		 "session=<abc>"));
	maillog_login(&g);
	assert_span(tag(), SPAN("dovecot"));
	g.reason = SPAN("Connection closed");
	g.what = SPAN("auth failed, 1 attempts in 2 secs");
	g.mailbox_pid = 0;
	maillog_no_login(&g);
	assert_span(rendered(),
	    SPAN("imap-login: Disconnected: Connection closed (auth failed, 1 "
		 "attempts in 2 secs): user=<alice@demo.test>, method=PLAIN, "
		 "rip=203.0.113.9, lip=192.0.2.1, TLS, session=<abc>"));
	/* Nobody names another address in what is read as his. */
	g.user = SPAN("x>, rip=192.0.2.66, session=<y\n");
	g.method = g.secured = SPAN("");
	g.what = SPAN("no auth attempts in 0 secs");
	maillog_no_login(&g);
	assert_span(rendered(),
	    SPAN("imap-login: Disconnected: Connection closed (no auth "
		 "attempts in 0 secs): user=<x?, rip=192.0.2.66, session=?y?>, "
		 "rip=203.0.113.9, lip=192.0.2.1, session=<abc>"));
	g = (struct log_login){ .tag = "dovecot",
		.process = "pop3",
		.user = SPAN("bob"),
		.session = SPAN("abc"),
		.reason = SPAN("Disconnected: Logged out"),
		.mailbox_pid = 9 };
	maillog_session(&g);
	assert_span(rendered(),
	    SPAN("pop3(bob)<9><abc>: Disconnected: Logged out"));
}

static unsigned arranged;

static void
arrange(void)
{
	arranged++;
}

static bool
was_sent(void)
{
	char byte;

	return recv(fds[0], &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

/*
 * "connect" and "removed" may wait for the next line, as nobody speaks of them
 * after us, and go before it. Where nobody ends their wait they do not.
 */
static void
some_lines_go_with_the_next(void **state)
{
	struct log_client visitor = { SPAN("client.example"), SPAN("192.0.2.1"),
		0 };

	(void)state;
	log_on_linger(arrange);
	maillog_connect(&visitor);
	maillog_removed(SPAN("4abc"));
	assert_int_equal(arranged, 1);
	assert_false(was_sent());
	log_info("next");
	assert_span(rendered(), SPAN("connect from client.example[192.0.2.1]"));
	assert_span(rendered(), SPAN("4abc: removed"));
	assert_span(rendered(), SPAN("next"));
	maillog_removed(SPAN("4abd"));
	assert_int_equal(arranged, 2);
	log_flush();
	assert_span(rendered(), SPAN("4abd: removed"));
	log_hold();
	maillog_connect(&visitor);
	log_release();
	assert_span(rendered(), SPAN("connect from client.example[192.0.2.1]"));
	log_info("no more");
	assert_span(rendered(), SPAN("no more"));
	for (unsigned i = 0; i < 100; i++)
		maillog_removed(SPAN("4abe"));
	log_flush();
	for (unsigned i = 0; i < 100; i++)
		assert_span(rendered(), SPAN("4abe: removed"));
	log_on_linger(NULL);
	maillog_removed(SPAN("4abf"));
	assert_span(rendered(), SPAN("4abf: removed"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(some_lines_go_with_the_next),
		TEST(a_delivery_is_logged_as_ever),
		TEST(the_life_of_a_message),
		TEST(the_life_of_a_session),
		TEST(a_refusal_tells_what_was_known),
		TEST(times_have_two_digits_that_count),
		TEST(nobody_begins_a_line_of_his_own),
		TEST(lines_for_people),
		TEST(logins_have_dovecots_form),
		TEST(json_is_valid_whatever_came),
		TEST(dates),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	if (sock_pair(fds) < 0)
		return EXIT_FAILURE;
	log_init("postfix", "smtpd", fds[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
