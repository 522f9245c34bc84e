/*
 * 8-bit mail becomes 7-bit mail; as an installed Postfix 3.7 makes it, but where a
 * comment says otherwise.
 */
#include "mail/downgrade.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	OUT_MAX = 1 << 16,
};

struct row {
	const char *title;
	const char *in;
	const char *out; /* NULL: as it came */
};

#define CTE "Content-Transfer-Encoding"
#define QP CTE ": quoted-printable\n"
#define SEVEN CTE ": 7bit\n"
#define MULTI "Content-Type: multipart/mixed; boundary=b\n"
#define AS "aaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct row rows[] = {
	{ "no label", "A: b\n\nx\xe9\n", NULL },
	{ "another", "A: b\n" CTE ": 7bit\n\nx\xe9\n", NULL },
	{ "8bit", "A: b\n" CTE ": 8bit\nC: d\n\nx\xe9=\n",
	    "A: b\nC: d\n" QP "\nx=E9=3D\n" },
	{ "any case, folded, with a comment",
	    "A: b\ncontent-transfer-encoding:\n (x)\n\t8Bit\nC: d\n\n\xe9\n",
	    "A: b\nC: d\n" QP "\n=E9\n" },
	{ "a blank before the colon", CTE " : binary\n\n\r\x01\t\n",
	    QP "\n=0D=01=09\n" },
	{ "a longer name is another", CTE ": 8bit\n" CTE "s: 8bit\n\n",
	    CTE "s: 8bit\n" QP "\n" },
	{ "blanks at the end", CTE ": 8bit\n\nx \ny\t\n \n\nz ",
	    QP "\nx=20\ny=09\n=20\n\nz=20" },
	{ "long lines", CTE ": 8bit\n\n" AS AS AS AS "\n",
	    QP "\n" AS AS "aaaaaaaaaaaaaaaaaaaaaaa=\n"
	       "aa" AS "\n" },
	{ "no body", CTE ": 8bit\n", QP },
	{ "a head without an end", "A: b\n" CTE ": 8bit", "A: b\n" QP },
	{ "a multipart",
	    MULTI CTE ": 8bit\n\n\xe9 before\n--b\n" CTE
		      ": 8bit\n\n\xe9 \n--b\n\n\xe9\n--b--\nafter \xe9\n",
	    MULTI SEVEN "\n\xe9 before\n--b\n" QP
			"\n=E9=20\n--b\n\n\xe9\n--b--\nafter \xe9\n" },
	{ "a message",
	    "Content-Type: message/rfc822\n" CTE ": 8bit\n\nX: \xe9\n" CTE
	    ": 8bit\n\n\xe9\n",
	    "Content-Type: message/rfc822\n" SEVEN "\nX: \xe9\n" QP "\n=E9\n" },
};

/* Converts with pieces of so many bytes in, and as little room as may be. */
static size_t
convert(struct span in, size_t piece, char *out, size_t max)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	char room[DOWNGRADE_ROOM];
	struct downgrade_plan plan;
	struct downgrade d = { .plan = &plan };
	struct buf all, b;

	mime_feed(m, in);
	assert_int_equal(downgrade_plan(mime_end(m), a, &plan),
	    DOWNGRADE_PLANNED);
	buf_init(&all, out, max);
	while (in.n > 0) {
		struct span s = { in.p, piece < in.n ? piece : in.n };
		size_t n = s.n;

		buf_init(&b, room, sizeof(room));
		downgrade_feed(&d, &s, &b);
		assert_false(b.overflow);
		buf_put(&all, buf_span(&b));
		in.p += n - s.n;
		in.n -= n - s.n;
	}
	buf_init(&b, room, sizeof(room));
	downgrade_end(&d, &b);
	buf_put(&all, buf_span(&b));
	assert_false(all.overflow);
	return all.n;
}

static void
what_says_that_it_is_8bit_is_encoded(void **state)
{
	char *out = zalloc(OUT_MAX);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = span_str(rows[i].in);
		const char *want = rows[i].out ? rows[i].out : rows[i].in;

		print_message("# %s\n", rows[i].title);
		for (size_t piece = 1; piece <= in.n; piece++) {
			size_t n = convert(guarded(in), piece, out, OUT_MAX);

			assert_span(((struct span){ out, n }), span_str(want));
		}
	}
	free(out);
}

static void
what_is_nested_too_deep_is_refused(void **state)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct downgrade_plan plan;

	(void)state;
	for (int i = 0; i < MIME_DEPTH_MAX + 2; i++)
		mime_feed(m, SPAN("Content-Type: message/rfc822\n\n"));
	assert_int_equal(downgrade_plan(mime_end(m), a, &plan),
	    DOWNGRADE_TOO_DEEP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_says_that_it_is_8bit_is_encoded),
		TEST(what_is_nested_too_deep_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
