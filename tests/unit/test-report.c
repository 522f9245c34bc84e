#include "tests/unit/test.h"

#include "base/buf.h"
#include "smtpd/cleanup/report.h"

#include <time.h>

static char storage[16384];
static struct buf out;

static void
put(struct span piece, void *arg)
{
	(void)arg;
	buf_put(&out, piece);
}

static struct report
report_of(enum report_kind kind)
{
	static struct templates t;

	templates_init(&t);
	buf_init(&out, storage, sizeof(storage) - 1);
	return (struct report){
		.template = &t.of[kind == REPORT_DELAY ? TEMPLATE_DELAY
						       : TEMPLATE_FAILURE],
		.put = put,
		.kind = kind,
		.myhostname = "mail.a.test",
		.myorigin = "a.test",
		.boundary = "B",
		.to = SPAN("alice@a.test"),
		.id = SPAN("4F08FA744CB"),
		.sender = SPAN("alice@a.test"),
		.arrived = 20LL * 24 * 3600 * 1000000,
		.lifetime = 5 * 24 * 3600,
	};
}

static bool
has(const char *text)
{
	storage[out.n] = '\0';
	return strstr(out.p, text) != NULL;
}

static void
assert_has(const char *text)
{
	if (!has(text))
		print_error("no \"%s\" in:\n%s\n", text, storage);
	assert_true(has(text));
}

/* What servers said, and what programs are told of it. */
static const struct {
	enum report_kind kind;
	struct report_rcpt rcpt;
	const char *want;
} rows[] = {
	{ REPORT_FAILURE,
	    { .addr = SPAN_INIT("b@b.test"),
		.dsn = SPAN_INIT("5.1.1"),
		.relay = SPAN_INIT("mx.b.test[192.0.2.1]:25"),
		.text = SPAN_INIT("host mx.b.test[192.0.2.1] said: 550 5.1.1 "
				  "no such user (in reply to RCPT TO "
				  "command)") },
	    "\nFinal-Recipient: rfc822; b@b.test\n"
	    "Action: failed\n"
	    "Status: 5.1.1\n"
	    "Remote-MTA: dns; mx.b.test\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 no such user\n" },
	{ REPORT_FAILURE,
	    { .addr = SPAN_INIT("b@b.test"),
		.orig = SPAN_INIT("c@b.test"),
		.relay = SPAN_INIT("none"),
		.text = SPAN_INIT("unknown user") },
	    "\nOriginal-Recipient: rfc822; c@b.test\n"
	    "Final-Recipient: rfc822; b@b.test\n"
	    "Action: failed\n"
	    "Status: 5.0.0\n"
	    "Diagnostic-Code: X-Postrider; unknown user\n" },
	{ REPORT_DELAY,
	    { .addr = SPAN_INIT("b@b.test"),
		.orcpt = SPAN_INIT("rfc822;d@b.test"),
		.orig = SPAN_INIT("c@b.test"),
		.dsn = SPAN_INIT("4.4.1"),
		.text = SPAN_INIT(
		    "connect to mx.b.test[192.0.2.1]:25: refused") },
	    "\nOriginal-Recipient: rfc822;d@b.test\n"
	    "Final-Recipient: rfc822; b@b.test\n"
	    "Action: delayed\n"
	    "Status: 4.4.1\n"
	    "Diagnostic-Code: X-Postrider; connect to "
	    "mx.b.test[192.0.2.1]:25: refused\n"
	    "Will-Retry-Until: Mon, 26 Jan 1970 00:00:00 +0000 (UTC)\n" },
	{ REPORT_SUCCESS, { .addr = SPAN_INIT("b@b.test") },
	    "\nFinal-Recipient: rfc822; b@b.test\n"
	    "Action: delivered\n"
	    "Status: 2.0.0\n" },
	{ REPORT_SUCCESS,
	    { .addr = SPAN_INIT("b@b.test"),
		.dsn = SPAN_INIT("2.0.0"),
		.relay = SPAN_INIT("mx.b.test[192.0.2.1]:25"),
		.text = SPAN_INIT("250 2.0.0 Ok") },
	    "\nFinal-Recipient: rfc822; b@b.test\n"
	    "Action: relayed\n"
	    "Status: 2.0.0\n"
	    "Remote-MTA: dns; mx.b.test\n"
	    "Diagnostic-Code: smtp; 250 2.0.0 Ok\n" },
	{ REPORT_SUCCESS,
	    { .addr = SPAN_INIT("b@b.test"),
		.dsn = SPAN_INIT("2.0.0"),
		.relay = SPAN_INIT("virtual"),
		.text = SPAN_INIT("delivered to maildir") },
	    "\nFinal-Recipient: rfc822; b@b.test\n"
	    "Action: delivered\n"
	    "Status: 2.0.0\n"
	    "Diagnostic-Code: X-Postrider; delivery via virtual: delivered to "
	    "maildir\n" },
	{ REPORT_FAILURE,
	    { .addr = SPAN_INIT("b\n--B\nX: y@b.test"),
		.orcpt = SPAN_INIT("rfc822;\r\nX: y\0\xff"),
		.dsn = SPAN_INIT("5.0.\n"),
		.relay = SPAN_INIT("a\nb[x]"),
		.text = SPAN_INIT("host x said: 550 a\nX: y") },
	    "\nOriginal-Recipient: rfc822;??X: y??\n"
	    "Final-Recipient: rfc822; b?--B?X: y@b.test\n"
	    "Action: failed\n"
	    "Status: 5.0.?\n"
	    "Remote-MTA: dns; a?b\n"
	    "Diagnostic-Code: smtp; 550 a?X: y\n" },
	{ REPORT_FAILURE,
	    { .addr = SPAN_INIT("b@b.test"),
		.text = SPAN_INIT("0123456789 0123456789 0123456789 "
				  "0123456789 0123456789 0123456789") },
	    "\nFinal-Recipient: rfc822; b@b.test\n"
	    "Action: failed\n"
	    "Status: 5.0.0\n"
	    "Diagnostic-Code: X-Postrider; 0123456789 0123456789 0123456789 "
	    "0123456789\n"
	    "    0123456789 0123456789\n" },
};

static void
programs_are_told_each_recipient(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct report r = report_of(rows[i].kind);

		report_rcpt_status(&r, &rows[i].rcpt);
		assert_span(buf_span(&out), span_str(rows[i].want));
	}
}

static void
write_all(const struct report *r, const struct report_rcpt *rcpt)
{
	report_head(r);
	report_rcpt(r, rcpt);
	report_status(r);
	report_rcpt_status(r, rcpt);
	report_original(r);
	put(SPAN("Subject: x\n"), NULL);
	report_end(r);
	assert_false(out.overflow);
}

static void
the_parts_are_those_of_rfc_3462(void **state)
{
	struct report r = report_of(REPORT_FAILURE);

	(void)state;
	r.envid = SPAN("id\n1");
	r.is_8bit = true;
	write_all(&r, &rows[1].rcpt);
	assert_has("From: Mail Delivery System <MAILER-DAEMON@a.test>\n"
		   "Subject: Undelivered Mail Returned to Sender\n"
		   "To: alice@a.test\n");
	assert_has("report-type=delivery-status;\n\tboundary=\"B\"\n"
		   "Content-Transfer-Encoding: 8bit\n\n");
	assert_has("\n<b@b.test> (expanded from <c@b.test>): unknown user\n");
	assert_has("\n--B\nContent-Description: Delivery report\n"
		   "Content-Type: message/delivery-status\n\n"
		   "Reporting-MTA: dns; mail.a.test\n"
		   "Original-Envelope-Id: id?1\n"
		   "X-Postrider-Queue-ID: 4F08FA744CB\n"
		   "X-Postrider-Sender: rfc822; alice@a.test\n"
		   "Arrival-Date: Wed, 21 Jan 1970 00:00:00 +0000 (UTC)\n\n");
	assert_has("\nContent-Type: message/rfc822\n"
		   "Content-Transfer-Encoding: 8bit\n\n"
		   "Return-Path: <alice@a.test>\nSubject: x\n\n--B--\n");
	assert_has("\nAuto-Submitted: auto-replied\n");
}

static void
kinds_have_names(void **state)
{
	struct report r = report_of(REPORT_DELAY);

	(void)state;
	r.head_only = true;
	write_all(&r, &rows[2].rcpt);
	assert_has("Subject: Delayed Mail (still being retried)\n");
	assert_has("Content-Description: Undelivered Message Headers\n"
		   "Content-Type: text/rfc822-headers\n");
	assert_span(report_name(&r), SPAN("sender delay notification"));
	r = report_of(REPORT_FAILURE);
	r.for_postmaster = true;
	write_all(&r, &rows[0].rcpt);
	assert_has("Subject: Postmaster Copy: Undelivered Mail\n");
	assert_has("\nAuto-Submitted: auto-generated\n");
	assert_span(report_name(&r),
	    SPAN("postmaster non-delivery notification"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(programs_are_told_each_recipient),
		TEST(the_parts_are_those_of_rfc_3462),
		TEST(kinds_have_names),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
