#include "test.h"

#include "store/keywords.h"
#include "store/names.h"
#include "store/rows.h"
#include "store/subs.h"

static void
names_are_read(void **state)
{
	static const struct {
		struct span name;
		uint64_t size, wire;
		uint32_t uidvalidity, uid, flags;
	} rows[] = {
		{ SPAN_INIT("1.a.h"), 0, 0, 0, 0, 0 },
		{ SPAN_INIT("1.a,S=5,W=6,P7.8:2,S"), 5, 6, 7, 8, STORE_SEEN },
		{ SPAN_INIT("1.a,P7.8,x=y,S=5:2,DFPRSTab"), 5, 0, 7, 8,
		    0x3f | STORE_KEYWORD | STORE_KEYWORD << 1 },
		{ SPAN_INIT("1.a,S=,W=x,P7:2,"), 0, 0, 0, 0, 0 },
		{ SPAN_INIT("1.a,P0.8:2,z"), 0, 0, 0, 0, 1u << 31 },
		{ SPAN_INIT("1.a,P7.4294967296"), 0, 0, 0, 0, 0 },
		{ SPAN_INIT("1.a:1,S"), 0, 0, 0, 0, 0 },
		{ SPAN_INIT("S=1,S=2"), 2, 0, 0, 0, 0 },
		{ SPAN_INIT(""), 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct maildir_name n;

		maildir_name_read(guarded(rows[i].name), &n);
		assert_int_equal(n.size, rows[i].size);
		assert_int_equal(n.wire, rows[i].wire);
		assert_int_equal(n.uidvalidity, rows[i].uidvalidity);
		assert_int_equal(n.uid, rows[i].uid);
		assert_int_equal(n.flags, rows[i].flags);
	}
}

static void
names_keep_what_they_do_not_know(void **state)
{
	struct maildir_name n;
	char out[NAME_SIZE];

	(void)state;
	maildir_name_read(SPAN("1.a,P1.2,x=y,S=5:2,FXb"), &n);
	n.uidvalidity = 7;
	n.uid = 8;
	n.has_wire = true;
	n.wire = 9;
	n.flags = STORE_SEEN | STORE_ANSWERED | STORE_KEYWORD;
	assert_true(maildir_name_put(out, &n, false));
	assert_string_equal(out, "1.a,x=y,S=5,W=9,P7.8:2,RSXa");
	assert_true(maildir_name_put(out, &n, true));
	assert_string_equal(out, "1.a,x=y,S=5,W=9,P7.8");
	char stem[260];
	memset(stem, 'x', sizeof(stem));
	n.stem = (struct span){ stem, 230 };
	assert_true(maildir_name_put(out, &n, false));
	n.stem.n = 240;
	assert_false(maildir_name_put(out, &n, false));
}

static void
sizes_on_the_wire(void **state)
{
	char last = 0;

	(void)state;
	assert_int_equal(maildir_wire_size(SPAN("a\nb\r\n\n"), &last), 8);
	assert_int_equal(maildir_wire_size(SPAN("x\r"), &last), 2);
	assert_int_equal(maildir_wire_size(SPAN("\n\n"), &last), 3);
	assert_int_equal(maildir_wire_size(SPAN(""), &last), 0);
}

static void
subscriptions_of_both_versions(void **state)
{
	struct subs s;
	struct span name;
	char out[64];
	struct buf b;

	(void)state;
	subs_begin(&s, SPAN("INBOX\na.b\n\n../x\na/b\nc"));
	assert_true(subs_next(&s, &name));
	assert_span(name, SPAN("INBOX"));
	assert_true(subs_next(&s, &name));
	assert_span(name, SPAN("a.b"));
	assert_true(subs_next(&s, &name));
	assert_span(name, SPAN("c"));
	assert_false(subs_next(&s, &name));
	subs_begin(&s, SPAN("V\t2\n\na\tb\nc\0011d\nd\n"));
	assert_true(subs_next(&s, &name));
	assert_span(name, SPAN("a.b"));
	assert_true(subs_next(&s, &name));
	assert_span(name, SPAN("d"));
	assert_false(subs_next(&s, &name));
	buf_init(&b, out, sizeof(out));
	subs_put_head(&b);
	subs_put(&b, SPAN("a.b"));
	assert_span(buf_span(&b), SPAN("V\t2\n\na\tb\n"));
}

static void
keywords_have_letters(void **state)
{
	static struct keywords k, again;
	char line[KEYWORD_LINE];

	(void)state;
	keywords_read(&k, SPAN(""), SPAN("1 $Junk\n30 x\n2 a b\n0 $junk\n"));
	assert_int_equal(keywords_find(&k, SPAN("$JUNK")), 1);
	assert_int_equal(keywords_add(&k, SPAN("New")), 0);
	assert_int_equal(keywords_add(&k, SPAN("Third")), 2);
	struct span own = { line, keywords_put(line, &k, 2) };
	keywords_read(&again, own, SPAN("2 Other\n"));
	assert_span(again.names[2], SPAN("Third"));
	line[3] ^= 1;
	keywords_read(&again, own, SPAN("2 Other\n"));
	assert_span(again.names[2], SPAN("Other"));
	assert_false(keyword_is_valid(SPAN("\\Seen")));
	assert_false(keyword_is_valid(SPAN("")));
}

/* Any bit of a chunk, and any other place for it, is noticed. */
static void
chunks_are_what_they_were(void **state)
{
	static struct chunk c = { .number = 3 }, out;

	(void)state;
	for (uint32_t uid = 3 * CHUNK_ROWS; uid < 4 * CHUNK_ROWS; uid += 3)
		chunk_put(&c, &(struct mbox_message){ .uid = uid, .size = 1 });
	chunk_remove(&c, 3 * CHUNK_ROWS + 3);
	chunk_remove(&c, 3 * CHUNK_ROWS + 4);
	assert_null(chunk_find(&c, 3 * CHUNK_ROWS + 3));
	assert_non_null(chunk_find(&c, 3 * CHUNK_ROWS + 6));
	c.sum = chunk_sum(&c, 5);
	char *bytes = (char *)&c;
	struct span value = { bytes, chunk_size(&c) };
	assert_true(chunk_read(value, 5, 3, &out));
	assert_false(chunk_read(value, 6, 3, &out));
	assert_false(chunk_read(value, 5, 4, &out));
	for (size_t i = 0; i < value.n; i++) {
		bytes[i] ^= 4;
		assert_false(chunk_read(value, 5, 3, &out));
		bytes[i] ^= 4;
		assert_false(chunk_read((struct span){ bytes, i }, 5, 3, &out));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read),
		cmocka_unit_test(names_keep_what_they_do_not_know),
		cmocka_unit_test(sizes_on_the_wire),
		cmocka_unit_test(subscriptions_of_both_versions),
		cmocka_unit_test(keywords_have_letters),
		cmocka_unit_test(chunks_are_what_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
