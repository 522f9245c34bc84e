/*
 * SEARCH over messages of tests/data/search: `programs` has a line for each
 * program with the messages that match.
 */
#include "imap_session.h"

#include "base/scan.h"
#include "imapd/mailbox/fold.h"
#include "imapd/mailbox/search_file.h"

#include <glob.h>

enum {
	TEXT_MAX = 1 << 20,
};

static char text[TEXT_MAX];

static struct span
read_file(const char *name)
{
	FILE *f = fopen(name, "r");
	size_t n = f ? fread(text, 1, TEXT_MAX, f) : 0;

	assert_non_null(f);
	fclose(f);
	return (struct span){ text, n };
}

static void
deliver_all(const char *pattern)
{
	glob_t names;

	assert_int_equal(glob(pattern, 0, NULL, &names), 0);
	for (size_t i = 0; i < names.gl_pathc; i++)
		mail_deliver("alice/", read_file(names.gl_pathv[i]));
	globfree(&names);
}

/* What stands behind "* SEARCH". */
static struct span
found(const char *program)
{
	static char command[1024];
	struct span answer;

	snprintf(command, sizeof(command), "SEARCH %s", program);
	answer = session_ask(command);
	if (take_text(&answer, SPAN("* SEARCH"))) {
		answer = span_cut(&answer, '\r');
		(void)!take_char(&answer, ' ');
	}
	return answer;
}

/* Words with letters beyond ASCII become literals. */
static void
put_program(struct span program, struct buf *b)
{
	while (program.n > 0) {
		bool quoted = program.p[0] == '"';
		struct span word, rest = program;
		bool plain = true;

		if (quoted)
			rest = (struct span){ rest.p + 1, rest.n - 1 };
		word = span_cut(&rest, quoted ? '"' : ' ');
		if (quoted)
			(void)!take_char(&rest, ' ');
		for (size_t i = 0; i < word.n; i++)
			plain = plain && (unsigned char)word.p[i] < 0x80;
		if (b->n > 0)
			buf_put(b, SPAN(" "));
		if (!plain)
			buf_putf(b, "{%zu}\r\n", word.n);
		if (plain && quoted)
			buf_put(b, SPAN("\""));
		buf_put(b, word);
		if (plain && quoted)
			buf_put(b, SPAN("\""));
		program = rest;
	}
}

static void
programs_find_what_they_name(void **state)
{
	static char table[TEXT_MAX];
	struct span rows;
	unsigned failed = 0;

	(void)state;
	mail_open(SPAN(""));
	deliver_all(TEST_DATA "/search/*.eml");
	session_open("INBOX", 0);
	rows = read_file(TEST_DATA "/search/programs");
	memcpy(table, rows.p, rows.n);
	rows.p = table;
	while (rows.n > 0) {
		struct span want = span_cut(&rows, '\n');
		struct span program = span_cut(&want, '\t');
		char storage[1024];
		struct buf b;

		buf_init(&b, storage, sizeof(storage) - 1);
		put_program(program, &b);
		storage[b.n] = '\0';
		if (span_eq(found(storage), want))
			continue;
		print_span("program", program);
		print_span("found", found(storage));
		print_span("want", want);
		failed++;
	}
	assert_int_equal(failed, 0);
	session_close();
	mail_close();
}

static struct match *
program_of(struct imap_command *c, struct arena *a, const char *program)
{
	static char command[1024];
	struct match_view view = { 100, 100, NULL };
	struct span none[STORE_KEYWORDS] = { 0 };
	const char *error;

	view.keywords = none;
	snprintf(command, sizeof(command), "a SEARCH %s", program);
	assert_int_equal(imap_parse(span_str(command), a, c, &error), IMAP_OK);
	return match_new(c->search, c->charset, &view);
}

/* The body of a text in pieces of `step`. */
static enum match_answer
ask_body(struct match *m, const struct mime_part *part, struct span body,
    size_t step)
{
	static const struct mbox_message message = { .uid = 1 };
	enum match_answer a = match_begin(m, 1, &message, false);

	assert_int_equal(a, MATCH_UNKNOWN);
	(void)!match_feed_head(m, guarded(SPAN("A: b\n\n")));
	assert_int_equal(match_end_head(m), MATCH_UNKNOWN);
	assert_true(match_begin_body(m, part));
	for (size_t at = 0; at < body.n; at += step) {
		size_t n = body.n - at < step ? body.n - at : step;

		match_feed(m, guarded((struct span){ body.p + at, n }));
	}
	a = match_end_part(m);
	return a == MATCH_UNKNOWN ? match_end(m) : a;
}

static void
words_are_found_wherever_pieces_end(void **state)
{
	static const struct {
		const char *program;
		struct mime_part part;
		struct span body;
		enum match_answer want;
	} rows[] = {
		{ "BODY needle", { .kind = MIME_TEXT },
		    SPAN_INIT("hay\r\nNeeDLe"), MATCH_YES },
		{ "BODY needle", { .kind = MIME_TEXT },
		    SPAN_INIT("hay need le"), MATCH_NO },
		{ "BODY {2}\r\n\xc3\xa9",
		    { .kind = MIME_TEXT,
			.encoding = SPAN_INIT("Quoted-Printable") },
		    SPAN_INIT("caf=C3=\n=89"), MATCH_YES },
		{ "BODY \"end=4\"",
		    { .kind = MIME_TEXT,
			.encoding = SPAN_INIT("quoted-printable") },
		    SPAN_INIT("the end=4"), MATCH_YES },
		{ "BODY \"the end\"",
		    { .kind = MIME_TEXT, .encoding = SPAN_INIT("BASE64") },
		    SPAN_INIT("dGhlIGVu\nZA"), MATCH_YES },
		{ "BODY {3}\r\n\xe2\x82\xac", { .kind = MIME_TEXT },
		    SPAN_INIT("5 \xe2\x82\xac."), MATCH_YES },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step < 20; step++) {
			struct arena *a CLEANUP(arena_freep) = arena_new(4096);
			struct imap_command c;
			struct match *m CLEANUP(
			    match_freep) = program_of(&c, a, rows[i].program);

			assert_non_null(m);
			assert_int_equal(ask_body(m, &rows[i].part,
					     rows[i].body, step),
			    rows[i].want);
		}
}

/* A long body, with a word that begins at any place near a window's end. */
static void
words_are_found_across_windows(void **state)
{
	static char body[100 << 10];
	static const struct mime_part part = { .kind = MIME_TEXT };
	struct arena *a CLEANUP(arena_freep) = arena_new(4096);
	struct imap_command c;
	struct match *m CLEANUP(
	    match_freep) = program_of(&c, a, "BODY {7}\r\nf\xc3\xa4 den");

	(void)state;
	for (size_t at = (32 << 10) - 20; at < (32 << 10) + 20; at++) {
		memset(body, 'x', sizeof(body));
		memcpy(body + at, "F\xc3\x84 DEN", 7);
		assert_int_equal(ask_body(m, &part,
				     (struct span){ body, sizeof(body) },
				     60000),
		    MATCH_YES);
	}
}

static void
heads_decide_what_is_of_heads(void **state)
{
	static const struct {
		const char *program;
		enum match_answer want;
	} rows[] = {
		{ "SUBJECT none", MATCH_NO },
		{ "SUBJECT some", MATCH_YES },
		{ "TEXT some", MATCH_YES },
		{ "NOT HEADER X-None x", MATCH_YES },
		{ "SENTON 1-Jan-1971", MATCH_NO },
		{ "SUBJECT none BODY x", MATCH_NO },
		{ "OR SUBJECT some BODY x", MATCH_YES },
		{ "SUBJECT some BODY x", MATCH_UNKNOWN },
		{ "TEXT none", MATCH_UNKNOWN },
	};
	static const struct mbox_message message = { .uid = 1 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(4096);
		struct imap_command c;
		struct match *m CLEANUP(
		    match_freep) = program_of(&c, a, rows[i].program);

		assert_int_equal(match_begin(m, 1, &message, false),
		    MATCH_UNKNOWN);
		assert_false(match_feed_head(m,
		    guarded(SPAN("Subject: some\n\nSubject: none\n"))));
		assert_int_equal(match_end_head(m), rows[i].want);
	}
}

static void
letters_are_the_same_in_either_case(void **state)
{
	static const struct {
		struct span text, want;
		size_t n;
	} rows[] = {
		{ SPAN_INIT("AZaz[@`{"), SPAN_INIT("azaz[@`{"), 8 },
		{ SPAN_INIT("\xc3\x89\xc3\x97\xc3\x9f"),
		    SPAN_INIT("\xc3\xa9\xc3\x97\xc3\x9f"), 6 },
		{ SPAN_INIT("\xc5\xb8\xc4\xb0\xc5\x81"),
		    SPAN_INIT("\xc3\xbf\xc4\xb0\xc5\x82"), 6 },
		{ SPAN_INIT("\xce\x91\xcf\x82\xd0\x9f\xd0\x81"),
		    SPAN_INIT("\xce\xb1\xcf\x83\xd0\xbf\xd1\x91"), 8 },
		{ SPAN_INIT("\xe1\xba\xa0\xef\xbc\xa1"),
		    SPAN_INIT("\xe1\xba\xa1\xef\xbd\x81"), 6 },
		{ SPAN_INIT("A\xc3"), SPAN_INIT("a\xc3"), 1 },
		{ SPAN_INIT("A\xe1\xba"), SPAN_INIT("a\xe1\xba"), 1 },
		{ SPAN_INIT("\xc3\x41\xe1\xba\x42\xff"),
		    SPAN_INIT("\xc3\x61\xe1\xba\x62\xff"), 6 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char storage[16];
		struct span s = rows[i].text;

		memcpy(storage, s.p, s.n);
		assert_int_equal(fold(storage, s.n), rows[i].n);
		assert_span(((struct span){ storage, s.n }), rows[i].want);
	}
}

static void
days_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *field;
		int32_t want;
	} rows[] = {
		{ "Thu, 1 Jan 1970 23:59:59 -1200", 0 },
		{ "Fri, 2 Jan 1970 00:00:00 +1400", 1 },
		{ "Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 8803 },
		{ "7 feb 94", 8803 },
		{ "1 Jan 26", 20454 },
		{ "(c) Mon (x), (y) 07 (z) Feb 1994 21:52", 8803 },
		{ "29 Feb 2000 0:0", 11016 },
		{ "1 Mar 100", 11017 },
		{ "31 Dec 2026", 20818 },
		{ "yesterday", 0 },
		{ "0 Jan 2000", 0 },
		{ "32 Jan 2000", 0 },
		{ "1 Foo 2000", 0 },
		{ "1 Jan", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(match_day_of(guarded(span_str(rows[i].field))),
		    rows[i].want);
}

/* The files of the mailbox. */
static void
remove_files(void)
{
	glob_t names;

	assert_int_equal(glob(spool_path("mail/alice/cur/[0-9]*"), 0, NULL,
			     &names),
	    0);
	for (size_t i = 0; i < names.gl_pathc; i++)
		assert_int_equal(unlink(names.gl_pathv[i]), 0);
	globfree(&names);
}

static void
cheap_keys_open_no_file(void **state)
{
	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", STORE_SEEN, "Subject: a\r\n\r\nx\r\n");
	mail_append("INBOX", STORE_FLAGGED, "Subject: b\r\n\r\nx\r\n");
	session_open("INBOX", 0);
	assert_span(found("OR SEEN SUBJECT b"), SPAN("1 2"));
	assert_span(found("ON 9-Sep-2001"), SPAN("1 2"));
	assert_span(found("BEFORE 9-Sep-2001"), SPAN(""));
	assert_span(found("SINCE 9-Sep-2001 LARGER 16 SMALLER 18"),
	    SPAN("1 2"));
	assert_span(found("KEYWORD nothing"), SPAN(""));
	assert_span(found("UNKEYWORD nothing"), SPAN("1 2"));
	assert_span(found("UID 2:*"), SPAN("2"));
	assert_span(found("RECENT"), SPAN("1 2"));
	assert_span(found("NEW"), SPAN("2"));
	assert_span(found("OLD"), SPAN(""));
	/* What is gone is not found by who has to look into it. */
	remove_files();
	assert_span(found("SEEN"), SPAN("1"));
	assert_span(found("UNSEEN"), SPAN("2"));
	assert_span(found("NOT FLAGGED BODY x"), SPAN(""));
	assert_span(found("OR SEEN SUBJECT b"), SPAN("1"));
	assert_span(found("NOT SUBJECT b"), SPAN(""));
	session_close();
	mail_close();
}

/* A long file is read in pieces, and the body does not begin with one. */
static void
words_are_found_across_pieces_of_a_file(void **state)
{
	static const struct span head = SPAN_INIT("Subject: x\n\n");

	(void)state;
	memset(text, 'x', 3 * SEARCH_PIECE);
	memcpy(text, head.p, head.n);
	memcpy(text + SEARCH_PIECE - 3, "one", 3);
	memcpy(text + SEARCH_PIECE + 3, "two", 3);
	memcpy(text + 2 * SEARCH_PIECE - 2, "three", 5);
	mail_open(SPAN(""));
	mail_deliver("alice/", (struct span){ text, 3 * SEARCH_PIECE });
	session_open("INBOX", 0);
	assert_span(found("BODY xonex"), SPAN("1"));
	assert_span(found("BODY xtwox"), SPAN("1"));
	assert_span(found("BODY xthreex"), SPAN("1"));
	assert_span(found("TEXT xfourx"), SPAN(""));
	session_close();
	mail_close();
}

static void
charsets_that_nobody_knows_are_refused(void **state)
{
	(void)state;
	mail_open(SPAN(""));
	mail_append("INBOX", 0, "Subject: caf\xc3\xa9\r\n\r\nx\r\n");
	session_open("INBOX", 0);
	assert_span(found("CHARSET x-none TEXT y"),
	    SPAN("NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset."));
	assert_span(found("CHARSET iso-8859-1 SUBJECT {4}\r\nCAF\xc9"),
	    SPAN("1"));
	assert_span(found("CHARSET utf-8 SUBJECT {4}\r\nCAF\xc9"), SPAN(""));
	session_close();
	mail_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(letters_are_the_same_in_either_case),
		TEST(days_are_read_as_they_are_written),
		TEST(words_are_found_wherever_pieces_end),
		TEST(words_are_found_across_windows),
		TEST(heads_decide_what_is_of_heads),
		SPOOL_TEST(programs_find_what_they_name),
		SPOOL_TEST(cheap_keys_open_no_file),
		SPOOL_TEST(words_are_found_across_pieces_of_a_file),
		SPOOL_TEST(charsets_that_nobody_knows_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
