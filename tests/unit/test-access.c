#include "tests/unit/test.h"

#include "access/access.h"

/*
 * What a table says is its name: "inline:REJECT no" says "REJECT no", but that
 * "inline:-" knows nothing and "inline:?" cannot be asked.
 */
struct row {
	const char *lists[ACCESS_LISTS];
	const char *class; /* of the name "greylist" */
	const char *rcpt; /* NULL: alice@demo.test */
	const char *helo; /* NULL: c.test */
	const char *sender; /* NULL: a@b.test */
	const char *user; /* who is logged in */
	bool ours;
	const char *want; /* "permit", "discard" or a reply */
	const char *notes;
};

#define RCPT(text) .lists = { [ACCESS_RECIPIENT] = text }
#define GUARD "reject_unauth_destination"
#define DENIED " rejected: Access denied"

/* As an installed Postfix 3.7 answers. */
static const struct row rows[] = {
	{ RCPT("permit_sasl_authenticated, reject"), .user = "u",
	    .want = "permit" },
	{ RCPT("reject_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test",
	    .want =
		"553 5.7.1 <mine@demo.test>: Sender address rejected: not logged in" },
	{ RCPT("reject_sender_login_mismatch " GUARD),
	    .sender = "free@demo.test", .want = "permit" },
	{ RCPT("reject_sender_login_mismatch " GUARD), .sender = "",
	    .want = "permit" },
	{ RCPT("reject_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .user = "alice", .want = "permit" },
	{ RCPT("reject_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .user = "eve",
	    .want =
		"553 5.7.1 <mine@demo.test>: Sender address rejected: not owned by user eve" },
	{ RCPT("reject_sender_login_mismatch " GUARD),
	    .sender = "free@demo.test", .user = "alice",
	    .want =
		"553 5.7.1 <free@demo.test>: Sender address rejected: not owned by user alice" },
	{ RCPT("reject_known_sender_login_mismatch " GUARD),
	    .sender = "free@demo.test", .user = "alice", .want = "permit" },
	{ RCPT("reject_known_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .user = "eve",
	    .want =
		"553 5.7.1 <mine@demo.test>: Sender address rejected: not owned by user eve" },
	{ RCPT("reject_authenticated_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .want = "permit" },
	{ RCPT("reject_authenticated_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .user = "ali",
	    .want =
		"553 5.7.1 <mine@demo.test>: Sender address rejected: not owned by user ali" },
	{ RCPT("reject_unauthenticated_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test",
	    .want =
		"553 5.7.1 <mine@demo.test>: Sender address rejected: not logged in" },
	{ RCPT("reject_unauthenticated_sender_login_mismatch " GUARD),
	    .sender = "mine@demo.test", .user = "eve", .want = "permit" },
	{ RCPT("reject_sender_login_mismatch " GUARD), .sender = "x@demo.test",
	    .user = "eve",
	    .want = "451 4.3.0 <x@demo.test>: Temporary lookup failure" },
	{ RCPT(GUARD), .want = "permit" },
	{ RCPT(GUARD), .rcpt = "x@y.test",
	    .want = "554 5.7.1 <x@y.test>: Relay access denied" },
	{ RCPT("permit_mynetworks " GUARD), .rcpt = "x@y.test", .ours = true,
	    .want = "permit" },
	{ RCPT("permit_mynetworks, " GUARD), .rcpt = "x@y.test",
	    .want = "554 5.7.1 <x@y.test>: Relay access denied" },
	{ RCPT("defer_unauth_destination"), .rcpt = "x@y.test",
	    .want = "454 4.7.1 <x@y.test>: Relay access denied" },
	{ RCPT("permit_auth_destination reject"), .want = "permit" },
	{ RCPT("permit_auth_destination reject"), .rcpt = "x@y.test",
	    .want = "554 5.7.1 <x@y.test>: Recipient address" DENIED },
	{ RCPT(GUARD), .rcpt = "tempfail@x",
	    .want = "451 4.3.0 <tempfail@x>: Temporary lookup failure" },
	{ RCPT("reject"),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("defer"),
	    .want = "450 4.3.2 <alice@demo.test>: Recipient address rejected: "
		    "Try again later" },
	{ RCPT("permit, reject"), .want = "permit" },
	{ .lists = { [ACCESS_CLIENT] = "reject", [ACCESS_RELAY] = GUARD },
	    .want = "554 5.7.1 <unknown[192.0.2.1]>: Client host" DENIED },
	{ .lists = { [ACCESS_HELO] = "defer", [ACCESS_RELAY] = GUARD },
	    .want = "450 4.3.2 <c.test>: Helo command rejected: Try again "
		    "later" },
	{ .lists = { [ACCESS_SENDER] = "permit", [ACCESS_RELAY] = GUARD },
	    .rcpt = "x@y.test",
	    .want = "554 5.7.1 <x@y.test>: Relay access denied" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "x..y",
	    .want = "504 5.5.2 <x..y>: Helo command rejected: need "
		    "fully-qualified hostname" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "x",
	    .want = "504 5.5.2 <x>: Helo command rejected: need "
		    "fully-qualified hostname" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "[192.0.2.1]",
	    .want = "permit" },
	{ RCPT("reject_invalid_helo_hostname " GUARD), .helo = "x",
	    .want = "permit" },
	{ RCPT("reject_invalid_helo_hostname " GUARD), .helo = "x..y",
	    .want = "501 5.5.2 <x..y>: Helo command rejected: Invalid name" },
	{ RCPT("reject_non_fqdn_sender " GUARD), .sender = "a",
	    .want = "504 5.5.2 <a>: Sender address rejected: need "
		    "fully-qualified address" },
	{ RCPT("reject_non_fqdn_sender " GUARD), .sender = "",
	    .want = "permit" },
	{ RCPT("reject_non_fqdn_recipient " GUARD), .rcpt = "p",
	    .want = "504 5.5.2 <p>: Recipient address rejected: need "
		    "fully-qualified address" },
	{ RCPT("warn_if_reject reject_non_fqdn_sender " GUARD), .sender = "a",
	    .want = "permit",
	    .notes = "reject_warning: 504 5.5.2 <a>: Sender address rejected: "
		     "need fully-qualified address\n" },
	{ RCPT("defer_if_permit"),
	    .want = "450 4.7.0 <alice@demo.test>: Recipient address rejected: "
		    "defer_if_permit requested" },
	{ RCPT("defer_if_permit reject"),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("defer_if_reject reject"),
	    .want = "450 4.7.0 <alice@demo.test>: Recipient address rejected: "
		    "defer_if_reject requested" },
	{ RCPT("reject_unlisted_recipient " GUARD), .rcpt = "bob@demo.test",
	    .want = "550 5.1.1 <bob@demo.test>: Recipient address rejected: "
		    "User unknown in table" },
	{ .lists = { [ACCESS_RELAY] = GUARD,
	      [ACCESS_RECIPIENT] = "permit",
	      [ACCESS_LISTED] = "reject_unlisted_recipient" },
	    .rcpt = "bob@demo.test",
	    .want = "550 5.1.1 <bob@demo.test>: Recipient address rejected: "
		    "User unknown in table" },
	{ RCPT("check_recipient_access inline:REJECT, " GUARD),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("{check_recipient_access {inline:REJECT go  away}} " GUARD),
	    .want = "!" },
	{ RCPT("check_recipient_access {inline:REJECT go away} " GUARD),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address rejected: "
		    "go away" },
	{ RCPT("inline:DEFER " GUARD),
	    .want = "450 4.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("{inline:450 later} " GUARD),
	    .want = "450 4.7.1 <alice@demo.test>: Recipient address rejected: "
		    "later" },
	{ RCPT("{inline:550 5.1.2 x y} " GUARD),
	    .want = "550 5.1.2 <alice@demo.test>: Recipient address rejected: "
		    "x y" },
	{ RCPT("{inline:550 4.1.2 x} " GUARD),
	    .want = "550 5.7.1 <alice@demo.test>: Recipient address rejected: "
		    "4.1.2 x" },
	{ RCPT("{inline:521 5.0.0 bye} " GUARD),
	    .want = "521 5.0.0 <alice@demo.test>: Recipient address rejected: "
		    "bye" },
	{ RCPT("inline:554 reject"), .want = "permit" },
	{ RCPT("inline:ok reject"), .want = "permit" },
	{ RCPT("inline:RELAY reject"), .want = "permit" },
	{ RCPT("inline:DUNNO reject"),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("inline:- " GUARD), .want = "permit" },
	{ RCPT("inline:? " GUARD),
	    .want = "451 4.3.0 <alice@demo.test>: Temporary lookup failure" },
	{ RCPT("inline:DEFER_IF_PERMIT " GUARD),
	    .want = "450 4.7.1 <alice@demo.test>: Recipient address rejected: "
		    "Service unavailable" },
	{ RCPT("{inline:DEFER_IF_REJECT foo} reject"),
	    .want = "450 4.7.1 <alice@demo.test>: Recipient address rejected: "
		    "foo" },
	{ RCPT("{inline:WARN hm} {inline:info hi} " GUARD), .want = "permit",
	    .notes = "warn: hm\ninfo: hi\n" },
	{ RCPT("{inline:DISCARD gone} " GUARD), .want = "discard" },
	{ RCPT("{inline:foo bar} " GUARD),
	    .want = "451 4.3.5 Server configuration error" },
	{ RCPT("inline:HOLD " GUARD), .want = "permit",
	    .notes = "hold: <alice@demo.test>: Recipient address triggers HOLD "
		     "action\n" },
	{ RCPT("{inline:hold look at it} reject"),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED,
	    .notes =
		"hold: <alice@demo.test>: Recipient address look at it\n" },
	{ RCPT("{inline:FILTER scan:[::1]:10} " GUARD), .want = "permit",
	    .notes = "filter: <alice@demo.test>: Recipient address triggers "
		     "FILTER scan:[::1]:10\n" },
	{ RCPT("{inline:FILTER scan} " GUARD), .want = "permit",
	    .notes = "warn: <alice@demo.test>: Recipient address: FILTER with "
		     "\"scan\" cannot be done\n" },
	{ RCPT("{inline:PREPEND X-A: b} " GUARD), .want = "permit",
	    .notes = "prepend: <alice@demo.test>: Recipient address triggers "
		     "PREPEND X-A: b\n" },
	{ RCPT("{inline:PREPEND no field} " GUARD), .want = "permit",
	    .notes = "warn: <alice@demo.test>: Recipient address: PREPEND with "
		     "\"no field\" cannot be done\n" },
	{ RCPT("{inline:REDIRECT b@c} {inline:BCC d@e} " GUARD),
	    .want = "permit",
	    .notes = "redirect: <alice@demo.test>: Recipient address triggers "
		     "REDIRECT b@c\nbcc: <alice@demo.test>: Recipient address "
		     "triggers BCC d@e\n" },
	{ RCPT("inline:reject " GUARD),
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("{inline:permit_mynetworks, defer} " GUARD),
	    .want = "450 4.3.2 <alice@demo.test>: Recipient address rejected: "
		    "Try again later" },
	{ RCPT("{inline:greylist} " GUARD), .class = "defer",
	    .want = "450 4.3.2 <alice@demo.test>: Recipient address rejected: "
		    "Try again later" },
	{ RCPT("greylist"), .class = "reject_non_fqdn_sender, reject",
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("greylist reject"), .class = "greylist",
	    .want = "451 4.3.5 Server configuration error" },
	{ RCPT("check_client_access inline:REJECT, " GUARD),
	    .want = "554 5.7.1 <unknown[192.0.2.1]>: Client host" DENIED },
	{ RCPT("check_helo_access inline:REJECT, " GUARD),
	    .want = "554 5.7.1 <c.test>: Helo command" DENIED },
	{ RCPT("check_sender_access inline:REJECT, " GUARD), .sender = "",
	    .want = "554 5.7.1 <>: Sender address" DENIED },

	{ RCPT("reject_invalid_helo_hostname " GUARD), .helo = "1.2.3.4",
	    .want = "501 5.5.2 <1.2.3.4>: Helo command rejected: Invalid "
		    "name" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "192.0.2.1",
	    .want = "504 5.5.2 <192.0.2.1>: Helo command rejected: need "
		    "fully-qualified hostname" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "[garbage]",
	    .want = "501 5.5.2 <[garbage]>: Helo command rejected: invalid ip "
		    "address" },
	{ RCPT("reject_invalid_helo_hostname " GUARD), .helo = "[1.2.3.4",
	    .want = "501 5.5.2 <[1.2.3.4>: Helo command rejected: invalid ip "
		    "address" },
	{ RCPT("reject_non_fqdn_helo_hostname " GUARD), .helo = "mx-1.c.test.",
	    .want = "permit" },

	/* What stands before a class or a table counts for what is in it. */
	{ RCPT("warn_if_reject greylist " GUARD), .class = "reject",
	    .want = "permit",
	    .notes = "reject_warning: 554 5.7.1 <alice@demo.test>: Recipient "
		     "address rejected: Access denied\n" },
	{ RCPT("warn_if_reject greylist reject"), .class = "permit_mynetworks",
	    .want = "554 5.7.1 <alice@demo.test>: Recipient address" DENIED },
	{ RCPT("warn_if_reject check_sender_access inline:reject, " GUARD),
	    .want = "permit",
	    .notes = "reject_warning: 554 5.7.1 <a@b.test>: Sender address "
		     "rejected: Access denied\n" },
	{ RCPT("warn_if_reject defer_if_permit " GUARD), .want = "permit",
	    .notes = "reject_warning: 450 4.7.0 <alice@demo.test>: Recipient "
		     "address rejected: defer_if_permit requested\n" },

	/* What does not compile. */
	{ RCPT("permit"), .want = "!" },
	{ RCPT("warn_if_reject reject"), .want = "!" },
	{ RCPT("reject_rbl_client x.test, reject"), .want = "!" },
	{ RCPT("check_sender_access, reject"), .want = "!" },
	{ RCPT("rejekt"), .want = "!" },
	{ RCPT("reject warn_if_reject"), .want = "!" },
};

static struct span
text_span(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static void
answer_table(struct access_eval *e)
{
	const char *says = access_table(e->access, e->table) +
	    strlen("inline:");

	if (*says == '-')
		access_answer_table(e, ACCESS_NO, SPAN(""), SPAN(""));
	else if (*says == '?')
		access_answer_table(e, ACCESS_TEMPFAIL, SPAN(""), SPAN(""));
	else
		access_answer_table(e, ACCESS_YES, e->subject, text_span(says));
}

static enum access_answer
is_local(struct span addr)
{
	if (span_eq(addr, SPAN("tempfail@x")))
		return ACCESS_TEMPFAIL;
	return addr.n > 10 &&
		span_eq((struct span){ addr.p + addr.n - 10, 10 },
		    SPAN("@demo.test"))
	    ? ACCESS_YES
	    : ACCESS_NO;
}

/* mine@ is ours, free@ nobody's, and of x@ it cannot be found out. */
static void
answer_owners(struct access_eval *e)
{
	enum access_answer a = span_eq(e->subject, SPAN("mine@demo.test"))
	    ? ACCESS_YES
	    : span_eq(e->subject, SPAN("x@demo.test")) ? ACCESS_TEMPFAIL
						       : ACCESS_NO;

	access_answer_owners(e, a, SPAN("bob, Alice"));
}

static void
drive(struct access_eval *e, struct buf *notes)
{
	for (;;)
		switch (access_step(e)) {
		case ACCESS_WANT_NOTHING:
			return;
		case ACCESS_WANT_TABLE:
			answer_table(e);
			break;
		case ACCESS_WANT_ROUTE:
			access_answer_yes(e, is_local(e->subject));
			break;
		case ACCESS_WANT_LISTED:
			access_answer_listed(e,
			    span_eq(e->subject, SPAN("alice@demo.test"))
				? ACCESS_YES
				: ACCESS_NO,
			    SPAN("User unknown in table"));
			break;
		case ACCESS_WANT_OWNERS:
			answer_owners(e);
			break;
		case ACCESS_WANT_NOTE:
			buf_putf(notes, "%s: %s\n", e->what, e->note);
			access_answer_note(e);
			break;
		}
}

static void
put_verdict(struct buf *out, const struct access_verdict *v)
{
	switch (v->action) {
	case ACCESS_PERMIT:
		buf_put(out, SPAN("permit"));
		break;
	case ACCESS_DISCARD:
		buf_put(out, SPAN("discard"));
		break;
	case ACCESS_REJECT:
		buf_putf(out, "%u %s %s", v->code, v->dsn, v->text);
		break;
	}
}

static struct access *
compile(const struct row *r, struct why *why)
{
	struct access_source lists[ACCESS_LISTS],
	    class = {
		    .name = "greylist",
		    .text = r->class,
	    };

	for (int i = 0; i < ACCESS_LISTS; i++)
		lists[i] = (struct access_source){ "some_restrictions",
			r->lists[i], "main.cf", 7 };
	return access_new(lists, &class, r->class ? 1 : 0, why);
}

static void
verdicts_are_those_of_postfix(void **state)
{
	static struct access_eval e;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct access_facts facts = {
			.client_name = SPAN("unknown"),
			.client_addr = SPAN("192.0.2.1"),
			.helo = text_span(r->helo ? r->helo : "c.test"),
			.sender = text_span(r->sender ? r->sender : "a@b.test"),
			.rcpt = text_span(
			    r->rcpt ? r->rcpt : "alice@demo.test"),
			.client_is_ours = r->ours,
			.authenticated = r->user != NULL,
			.user = text_span(r->user ? r->user : ""),
		};
		char got[600], noted[600];
		struct buf out, notes;
		struct why why = { "" };
		struct access *a = compile(r, &why);

		print_message("# %zu %s\n", i,
		    r->lists[ACCESS_RECIPIENT] ? r->lists[ACCESS_RECIPIENT]
					       : "");
		buf_init(&out, got, sizeof(got));
		buf_init(&notes, noted, sizeof(noted));
		if (!a) {
			assert_memory_equal(why.text, "main.cf:7: ", 11);
			assert_string_equal(r->want, "!");
			continue;
		}
		access_begin(&e, a, &facts, BIT(ACCESS_DATA) - 1);
		drive(&e, &notes);
		put_verdict(&out, &e.verdict);
		assert_span(buf_span(&out), text_span(r->want));
		assert_span(buf_span(&notes),
		    text_span(r->notes ? r->notes : ""));
		access_free(a);
	}
}

static void
a_verdict_tells_who_gave_it(void **state)
{
	static struct access_eval e;
	struct row r = { RCPT("check_recipient_access inline:REJECT, reject") };
	struct access_facts facts = { .rcpt = SPAN("x@y") };
	char noted[64];
	struct buf notes;
	struct why why;
	struct access *a = compile(&r, &why);

	(void)state;
	buf_init(&notes, noted, sizeof(noted));
	access_begin(&e, a, &facts, BIT(ACCESS_RECIPIENT));
	drive(&e, &notes);
	assert_string_equal(e.verdict.list, "some_restrictions");
	assert_string_equal(e.verdict.rule, "check_recipient_access");
	assert_string_equal(e.verdict.table, "inline:REJECT");
	assert_string_equal(e.verdict.key, "x@y");
	access_free(a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(verdicts_are_those_of_postfix),
		TEST(a_verdict_tells_who_gave_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
