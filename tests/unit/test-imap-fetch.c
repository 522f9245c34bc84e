/*
 * FETCH in a session: the hard messages of tests/data/mime as their .want files
 * say, sections against a simple model, and what happens to \Seen.
 */
#include "imap_session.h"

#include "base/scan.h"
#include "imapd/mailbox/cache.h"

#include <glob.h>

enum {
	TEXT_MAX = 1 << 20,
};

static struct span
read_file(const char *name, char *storage)
{
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(storage, 1, TEXT_MAX, f) : 0;

	if (f)
		fclose(f);
	return (struct span){ storage, n };
}

/* "{3}" CRLF "abc" as "abc", unprintable bytes as \xNN. */
static void
show_literals(struct span in, struct buf *out)
{
	while (in.n > 0) {
		struct span line = span_cut(&in, '{');
		uint64_t n;

		buf_put(out, line);
		if (in.n == 0)
			return;
		assert_true(take_number(&in, in.n, &n));
		assert_true(take_text(&in, SPAN("}\r\n")) && n <= in.n);
		buf_put(out, SPAN("\""));
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)in.p[i];

			if (c == '"' || c == '\\')
				buf_putf(out, "\\%c", c);
			else
				buf_putf(out,
				    c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
		}
		buf_put(out, SPAN("\""));
		in = (struct span){ in.p + n, in.n - (size_t)n };
	}
}

/* The answer as a .want file has it, or as it is if it is another. */
static void
as_wanted(struct span answer, uint32_t seq, struct buf *shown)
{
	static char storage[TEXT_MAX];
	char begin[64];
	struct buf b;
	struct span s;

	buf_init(&b, storage, sizeof(storage));
	show_literals(answer, &b);
	s = buf_span(&b);
	snprintf(begin, sizeof(begin), "* %u FETCH (", seq);
	if (!take_text(&s, span_str(begin))) {
		buf_put(shown, s);
		return;
	}
	const char *envelope = memmem(s.p, s.n, " ENVELOPE (", 11);
	const char *structure = memmem(s.p, s.n, " BODYSTRUCTURE (", 16);

	assert_true(envelope && structure);
	buf_putf(shown, "%.*s\n%.*s\n", (int)(envelope - s.p), s.p,
	    (int)(structure - envelope - 1), envelope + 1);
	s.n -= (size_t)(structure + 1 - s.p);
	s.p = structure + 1;
	const char *end = memmem(s.p, s.n, ")\r\nOK ", 6);

	assert_non_null(end);
	buf_put(shown, (struct span){ s.p, (size_t)(end - s.p) });
	buf_put(shown, SPAN("\n"));
}

static unsigned
compare_with_wanted(const glob_t *names)
{
	static char want[TEXT_MAX], got[TEXT_MAX], path[512];
	unsigned failed = 0;

	for (size_t i = 0; i < names->gl_pathc; i++) {
		const char *name = names->gl_pathv[i];
		char command[128];
		struct buf shown;

		snprintf(command, sizeof(command),
		    "FETCH %zu (RFC822.SIZE ENVELOPE BODYSTRUCTURE)", i + 1);
		buf_init(&shown, got, sizeof(got));
		as_wanted(session_ask(command), (uint32_t)i + 1, &shown);
		snprintf(path, sizeof(path), "%.*s.want",
		    (int)(strrchr(name, '.') - name), name);
		if (span_eq(buf_span(&shown), read_file(path, want)))
			continue;
		failed++;
		fprintf(stderr, "%s\n%.*s", path, (int)shown.n, shown.p);
	}
	return failed;
}

static void
deliver_hard_messages(glob_t *names_r)
{
	static char text[TEXT_MAX];

	assert_int_equal(glob(TEST_DATA "/mime/*.eml", 0, NULL, names_r), 0);
	for (size_t i = 0; i < names_r->gl_pathc; i++)
		mail_deliver("alice/", read_file(names_r->gl_pathv[i], text));
}

/* Before anything is kept, and then from what is kept. */
static void
hard_messages_are_told_as_they_are(void **state)
{
	glob_t names;

	(void)state;
	mail_open(SPAN(""));
	deliver_hard_messages(&names);
	session_open("INBOX", 0);
	assert_int_equal(compare_with_wanted(&names), 0);
	assert_int_equal(compare_with_wanted(&names), 0);
	session_close();
	mail_close();
	globfree(&names);
}

/* Nothing of the files is left, but ENVELOPE and BODY are told from what is kept. */
static void
what_is_kept_needs_no_file(void **state)
{
	static char first[TEXT_MAX];
	struct span answer;
	glob_t names, files;

	(void)state;
	mail_open(SPAN(""));
	deliver_hard_messages(&names);
	session_open("INBOX", 0);
	answer = session_ask("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE)");
	assert_true(answer.n < TEXT_MAX);
	memcpy(first, answer.p, answer.n);
	assert_int_equal(glob(spool_path("mail/alice/*/[0-9]*"), 0, NULL,
			     &files),
	    0);
	assert_int_equal(files.gl_pathc, names.gl_pathc);
	for (size_t i = 0; i < files.gl_pathc; i++)
		assert_int_equal(unlink(files.gl_pathv[i]), 0);
	assert_span(session_ask("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE)"),
	    ((struct span){ first, answer.n }));
	assert_span(session_ask("FETCH 2 (UID BODY.PEEK[])"),
	    SPAN("NO [EXPUNGEISSUED] Some of the requested messages no longer "
		 "exist."));
	session_close();
	mail_close();
	globfree(&names);
	globfree(&files);
}

/* Each line ends in CRLF. */
static struct span
on_the_wire(struct span s)
{
	static char wire[2 * TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			wire[n++] = '\r';
		wire[n++] = s.p[i] ? s.p[i] : (char)0x80;
	}
	return (struct span){ wire, n };
}

/* Asks for one section and compares with what it should be. */
static void
check_section(const char *item, struct span want)
{
	static char storage[TEXT_MAX];
	char command[256];
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	buf_putf(&b, "* 1 FETCH (%s {%zu}\r\n", item, want.n);
	buf_put(&b, want);
	buf_put(&b, SPAN(")\r\nOK Fetch completed."));
	snprintf(command, sizeof(command), "FETCH 1 %s", item);
	assert_false(b.overflow);
	assert_span(session_ask(command), buf_span(&b));
}

static struct span
slice(struct span s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	return (struct span){ s.p + from, n < s.n - from ? n : s.n - from };
}

/* Messages around the size of a piece, in parts of many sizes. */
static void
partials_are_slices(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 65000, 65536, 65537,
		200000 };
	static const size_t starts[] = { 0, 1, 63, 64, 65, 65535, 65536, 131072,
		300000 };
	static char text[TEXT_MAX];
	static const struct span head = SPAN_INIT("A: b\nC: d\n e\n\n");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct span whole = { text, head.n + sizes[i] };

		assert_int_equal(spool_setup(NULL), 0);
		memcpy(text, head.p, head.n);
		for (size_t k = 0; k < sizes[i]; k++)
			text[head.n + k] = k % 61 == 60 ? '\n'
			    : k % 997 == 996            ? '\r'
					     : (char)('a' + (int)(k % 26));
		mail_open(SPAN(""));
		mail_deliver("alice/", whole);
		session_open("INBOX", MBOX_READ_ONLY);
		whole = on_the_wire(whole);
		struct span body = slice(whole, head.n + 4, whole.n);

		check_section("BODY[]", whole);
		check_section("BODY[TEXT]", body);
		check_section("BODY[1]", body);
		check_section("RFC822", whole);
		check_section("RFC822.TEXT", body);
		check_section("RFC822.HEADER", slice(whole, 0, head.n + 4));
		check_section("BODY[HEADER]", slice(whole, 0, head.n + 4));
		check_section("BODY[HEADER.FIELDS (C)]",
		    slice(whole, 6, head.n + 4 - 6));
		for (size_t k = 0; k < COUNT_OF(starts); k++) {
			char item[64];
			struct span want = slice(whole, starts[k], 1000);
			char command[96];
			struct span answer;

			snprintf(command, sizeof(command),
			    "FETCH 1 BODY[]<%zu.1000>", starts[k]);
			snprintf(item, sizeof(item),
			    "* 1 FETCH (BODY[]<%zu> {%zu}\r\n", starts[k],
			    want.n);
			answer = session_ask(command);
			assert_true(take_text(&answer, span_str(item)));
			assert_span(slice(answer, 0, want.n), want);
			assert_span(slice(answer, want.n, answer.n),
			    SPAN(")\r\nOK Fetch completed."));
		}
		session_close();
		mail_close();
		spool_teardown(NULL);
	}
}

static void
seen_is_set_by_who_reads(void **state)
{
	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "A: b\r\n\r\nx\r\n");
	mail_append("INBOX", STORE_SEEN, "A: b\r\n\r\ny\r\n");
	mail_append("INBOX", 0, "A: b\r\n\r\nz\r\n");
	session_open("INBOX", 0);
	assert_span(session_ask("FETCH 1:2 (BODY.PEEK[TEXT] RFC822.HEADER)"),
	    SPAN("* 1 FETCH (BODY[TEXT] {3}\r\nx\r\n RFC822.HEADER {8}\r\n"
		 "A: b\r\n\r\n)\r\n"
		 "* 2 FETCH (BODY[TEXT] {3}\r\ny\r\n RFC822.HEADER {8}\r\n"
		 "A: b\r\n\r\n)\r\nOK Fetch completed."));
	assert_span(session_ask("FETCH 1:2 FLAGS"),
	    SPAN("* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen))\r\n"
		 "OK Fetch completed."));
	assert_span(session_ask("FETCH 1:2 BODY[TEXT]"),
	    SPAN("* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {3}\r\nx\r\n)\r\n"
		 "* 2 FETCH (BODY[TEXT] {3}\r\ny\r\n)\r\n"
		 "OK Fetch completed."));
	assert_span(session_ask("UID FETCH 3 (RFC822.TEXT)"),
	    SPAN("* 3 FETCH (UID 3 FLAGS (\\Seen) RFC822.TEXT {3}\r\nz\r\n"
		 ")\r\nOK Fetch completed."));
	assert_span(session_ask("UID FETCH 3 (FLAGS UID BODY[9])"),
	    SPAN("* 3 FETCH (UID 3 FLAGS (\\Seen) BODY[9] NIL)\r\n"
		 "OK Fetch completed."));
	session_close();
	mail_close();
}

/* What others did meanwhile is told, but not what the answer has itself. */
static void
news_come_with_seen(void **state)
{
	struct uidset uids = { 0 };
	struct mbox *other;

	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "A: b\r\n\r\nx\r\n");
	mail_append("INBOX", 0, "A: b\r\n\r\ny\r\n");
	session_open("INBOX", 0);
	mail_open_box("INBOX", 0, &other);
	uidset_add(&uids, 2, 2);
	assert_int_equal(mbox_store_flags(other, &uids, MBOX_FLAGS_ADD,
			     STORE_FLAGGED, 0, NULL),
	    STORE_OK);
	mail_append("INBOX", 0, "A: b\r\n\r\nz\r\n");
	assert_span(session_ask("FETCH 1 BODY[TEXT]"),
	    SPAN("* exists\r\n* told 2\r\n"
		 "* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {3}\r\nx\r\n)\r\n"
		 "OK Fetch completed."));
	uidset_fini(&uids);
	mbox_close(other);
	session_close();
	mail_close();
}

static void
what_the_view_has_is_told_in_order(void **state)
{
	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", STORE_FLAGGED, "A: b\r\n\r\nx\r\n");
	session_open("INBOX", 0);
	assert_span(session_ask(
			"UID FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE FLAGS)"),
	    SPAN("* 1 FETCH (UID 1 FLAGS (\\Flagged) INTERNALDATE "
		 "\" 9-Sep-2001 01:46:40 +0000\" RFC822.SIZE 11)\r\n"
		 "OK Fetch completed."));
	assert_span(session_ask("FETCH 1 (RFC822.SIZE UID)"),
	    SPAN("* 1 FETCH (RFC822.SIZE 11 UID 1)\r\nOK Fetch completed."));
	assert_span(session_ask("UID FETCH 7 (UID)"),
	    SPAN("OK Fetch completed."));
	session_close();
	mail_close();
}

/* More than a batch has room for: rows, content, and long ones between. */
static void
batches_tell_all_messages(void **state)
{
	static char text[TEXT_MAX];
	unsigned next = 1;
	struct span answer;

	(void)state;
	mail_open(SPAN(""));
	for (unsigned i = 1; i <= 300; i++) {
		struct buf b;

		buf_init(&b, text, sizeof(text));
		buf_putf(&b, "Subject: %u\n\n", i);
		for (size_t k = 0; k < (i % 50 == 0 ? 2000u : i % 40); k++)
			buf_putf(&b, "a line of some message %zu\n", k);
		mail_deliver("alice/", buf_span(&b));
	}
	session_open("INBOX", 0);
	answer = session_ask("FETCH 1:* (ENVELOPE BODY[] BODY)");
	while (take_text(&answer, SPAN("* "))) {
		uint64_t n, size;
		char subject[64];

		assert_true(take_number(&answer, 1000, &n));
		assert_int_equal(n, next++);
		span_cut(&answer, '{');
		assert_true(take_number(&answer, TEXT_MAX, &size));
		assert_true(take_text(&answer, SPAN("}\r\n")));
		snprintf(subject, sizeof(subject), "Subject: %u\r\n",
		    (unsigned)n);
		assert_true(take_text(&answer, span_str(subject)));
		size -= strlen(subject);
		answer = slice(answer, size, answer.n);
		assert_true(take_text(&answer, SPAN(")\r\n")));
	}
	assert_int_equal(next, 301);
	assert_span(answer, SPAN("OK Fetch completed."));
	session_close();
	mail_close();
}

/* An answer too long to be kept is made as it is sent. */
static void
long_envelopes_are_told_too(void **state)
{
	static char text[TEXT_MAX];
	static const struct span one = SPAN_INIT(
	    "(NIL NIL \"a\" \"MISSING_DOMAIN\")");
	struct span answer;
	struct buf b;

	(void)state;
	mail_open(SPAN(""));
	buf_init(&b, text, sizeof(text));
	for (size_t k = 0; k < 3; k++) {
		buf_put(&b, SPAN("To: "));
		for (size_t i = 0; i < 5000; i++)
			buf_put(&b, i > 0 ? SPAN(",a") : SPAN("a"));
		buf_put(&b, SPAN("\n"));
	}
	buf_put(&b, SPAN("\nx\n"));
	mail_deliver("alice/", SPAN("Subject: x\n\nx\n"));
	mail_deliver("alice/", buf_span(&b));
	mail_deliver("alice/", SPAN("Subject: x\n\nx\n"));
	session_open("INBOX", 0);
	answer = session_ask("FETCH 1:* (ENVELOPE BODY)");
	size_t n = 0;
	for (const char *p = answer.p;
	     (p = memmem(p, answer.n - (size_t)(p - answer.p), one.p, one.n));
	     p++)
		n++;
	assert_true(n * one.n > STORE_CACHE_MAX);
	assert_non_null(memmem(answer.p, answer.n, "* 3 FETCH (ENV", 14));
	assert_span(slice(answer, answer.n - 22, 22),
	    SPAN(")\r\nOK Fetch completed."));
	session_close();
	mail_close();
}

static void
a_client_that_went_away_ends_it(void **state)
{
	(void)state;
	mail_open(SPAN(""));
	for (unsigned i = 0; i < 5; i++)
		mail_append("INBOX", 0, "A: b\r\n\r\nx\r\n");
	session_open("INBOX", 0);
	session_drop_after = 50;
	assert_span(slice(session_ask("FETCH 1:* BODY[]"), 0, 0), SPAN(""));
	assert_true(session.lost);
	assert_non_null(memmem(session_out.p, session_out.n, "CLOSE", 5));
	session_close();
	mail_close();
}

/* The only message becomes another one, in place, which no Maildir allows. */
static void
change_file(size_t n, char c)
{
	glob_t names;
	int fd;

	assert_int_equal(glob(spool_path("mail/alice/*/[0-9]*"), 0, NULL,
			     &names),
	    0);
	fd = open(names.gl_pathv[0], O_WRONLY | O_TRUNC);
	for (size_t i = 0; i < n; i++)
		must(write(fd, &c, 1) == 1);
	close(fd);
	globfree(&names);
}

static void
lengthen_file(void)
{
	change_file(100001, 'x');
}

static void
shorten_file(void)
{
	change_file(70000, 'x');
}

static void
fill_with_newlines(void)
{
	change_file(100000, '\n');
}

static void
literals_are_never_longer_than_told(void **state)
{
	static void (*const changes[])(
	    void) = { shorten_file, fill_with_newlines, lengthen_file };
	static const size_t sent[] = { 70000, 100000, 100000 };
	static const struct span begin = SPAN_INIT(
	    "* 1 FETCH (BODY[] {100000}\r\n");
	static char text[100000];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct span answer;

		assert_int_equal(spool_setup(NULL), 0);
		mail_open(SPAN(""));
		mail_deliver("alice/", (struct span){ text, sizeof(text) });
		session_open("INBOX", MBOX_READ_ONLY);
		session_on_output = changes[i];
		answer = session_ask("FETCH 1 BODY[]");
		assert_true(take_text(&answer, begin));
		answer = slice(answer, sent[i], answer.n);
		/* What has come to it is no matter. */
		assert_span(answer,
		    i == 2 ? SPAN(")\r\nOK Fetch completed.") : SPAN("CLOSE "));
		assert_int_equal(session.lost, i < 2);
		session_close();
		mail_close();
		spool_teardown(NULL);
	}
}

static void
damaged_rows_are_as_if_not_kept(void **state)
{
	static const struct span bad[] = {
		SPAN_INIT(""),
		SPAN_INIT("\1"),
		SPAN_INIT("\2()"),
		SPAN_INIT("\1("),
		SPAN_INIT("\1\2\0\0\0()"),
		SPAN_INIT("\1\3\0\0\0()()"),
		SPAN_INIT("\1\xff\xff\xff\xff()()"),
	};
	static const struct span good = SPAN_INIT("\1\2\0\0\0()(())");
	struct span a, b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (i < 4)
			assert_false(cache_take_envelope(guarded(bad[i]), &a));
		assert_false(cache_take_structure(guarded(bad[i]), &a, &b));
	}
	assert_true(cache_take_structure(guarded(good), &a, &b));
	assert_span(a, SPAN("()"));
	assert_span(b, SPAN("(())"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(damaged_rows_are_as_if_not_kept),
		SPOOL_TEST(hard_messages_are_told_as_they_are),
		SPOOL_TEST(what_is_kept_needs_no_file),
		TEST(partials_are_slices),
		TEST(literals_are_never_longer_than_told),
		SPOOL_TEST(seen_is_set_by_who_reads),
		SPOOL_TEST(news_come_with_seen),
		SPOOL_TEST(what_the_view_has_is_told_in_order),
		SPOOL_TEST(batches_tell_all_messages),
		SPOOL_TEST(long_envelopes_are_told_too),
		SPOOL_TEST(a_client_that_went_away_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
