#include "tests/unit/test.h"

#include "base/buf.h"
#include "queue/drop.h"
#include "tools/submit/head.h"

/* Records, and how reading them ends: "TSR" are the types that were taken. */
static const struct {
	struct span in;
	const char *taken;
	enum drop_result end;
} files[] = {
	{ SPAN_INIT(""), "", DROP_MORE },
	{ SPAN_INIT("PRdrop"), "", DROP_MORE },
	{ SPAN_INIT("PRdrop2"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC), "", DROP_MORE },
	{ SPAN_INIT(DROP_MAGIC "S\1\0\0\0a"
			       "X\0\0\0\0"),
	    "SX", DROP_OVER },
	{ SPAN_INIT(DROP_MAGIC "X\0\0\0\0x"), "X", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "X\1\0\0\0x"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "S\2\0\0\0a"), "", DROP_MORE },
	{ SPAN_INIT(DROP_MAGIC "S\2\0\0"), "", DROP_MORE },
	{ SPAN_INIT(DROP_MAGIC "S\xff\xff\xff\xff"
			       "a"),
	    "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "S\0\0\0\x80"
			       "a"),
	    "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "\0"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "Z"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "S\1\0\0\0\n"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "R\1\0\0\0\0"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "F\1\0\0\0\r"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "C\3\0\0\0\0\r\n"), "C", DROP_MORE },
	{ SPAN_INIT(DROP_MAGIC "N\1\0\0\0001N\2\0\0\00014"), "NN", DROP_MORE },
	{ SPAN_INIT(DROP_MAGIC "N\1\0\0\0003"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "N\1\0\0\0000"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "T\1\0\0\0003"), "", DROP_BAD },
	{ SPAN_INIT(DROP_MAGIC "8\0\0\0\0"), "8", DROP_MORE },
};

static void
records_are_whole_and_of_known_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct span in = guarded(files[i].in);
		struct drop_scan scan = { 0 };
		struct drop_record r;
		enum drop_result result;
		char taken[16] = "";
		size_t n = 0;

		print_row(files[i].in);
		while ((result = drop_take(&scan, &in, &r)) == DROP_TAKEN)
			taken[n++] = (char)r.type;
		assert_string_equal(taken, files[i].taken);
		assert_int_equal(result, files[i].end);
	}
}

static void
what_is_put_is_taken(void **state)
{
	char storage[64];
	struct span in;
	struct drop_scan scan = { .begun = true };
	struct drop_record r;
	struct buf b;

	(void)state;
	buf_init(&b, storage, sizeof(storage));
	drop_put(&b, DROP_RCPT, SPAN("a@b.test"));
	drop_put(&b, DROP_END, SPAN(""));
	in = buf_span(&b);
	assert_int_equal(drop_take(&scan, &in, &r), DROP_TAKEN);
	assert_span(r.text, SPAN("a@b.test"));
	assert_int_equal(drop_take(&scan, &in, &r), DROP_TAKEN);
	assert_int_equal(drop_take(&scan, &in, &r), DROP_OVER);
	assert_int_equal(scan.rcpts, 1);
}

/* Heads, and "name|" of their fields with what is left. */
static const struct {
	struct span in;
	const char *names;
	struct span rest;
} heads[] = {
	{ SPAN_INIT(""), "", SPAN_INIT("") },
	{ SPAN_INIT("\nbody\n"), "", SPAN_INIT("\nbody\n") },
	{ SPAN_INIT("A: b\nTo : c\n d\n\te\n\nbody\n"), "A|To|",
	    SPAN_INIT("\nbody\n") },
	{ SPAN_INIT("A: b\nno field\n"), "A|", SPAN_INIT("no field\n") },
	{ SPAN_INIT(" a: b\n"), "", SPAN_INIT(" a: b\n") },
	{ SPAN_INIT(": b\n"), "", SPAN_INIT(": b\n") },
	{ SPAN_INIT("A: b"), "A|", SPAN_INIT("") },
	{ SPAN_INIT("A\x80: b\n"), "", SPAN_INIT("A\x80: b\n") },
};

static void
a_head_ends_where_no_field_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct span in = guarded(heads[i].in);
		struct head_field f;
		char names[64];
		struct buf b;

		print_row(heads[i].in);
		buf_init(&b, names, sizeof(names));
		while (head_next(&in, &f)) {
			buf_put(&b, f.name);
			buf_put(&b, SPAN("|"));
		}
		assert_span(buf_span(&b), span_str(heads[i].names));
		assert_span(in, heads[i].rest);
	}
}

static bool
add(struct span address, void *arg)
{
	buf_put(arg, address);
	buf_put(arg, SPAN("|"));
	return true;
}

static const struct {
	struct span value;
	const char *want;
	size_t wrong;
} values[] = {
	{ SPAN_INIT(""), "", 0 },
	{ SPAN_INIT("root"), "root|", 0 },
	{ SPAN_INIT(" A B <a@b.test>,\n c@d.test (x)\n"), "a@b.test|c@d.test|",
	    0 },
	{ SPAN_INIT("friends: a, b;, c"), "a|b|c|", 0 },
	{ SPAN_INIT("\"a b\"@c.test"), "\"a b\"@c.test|", 0 },
	{ SPAN_INIT("\"a\"@c.test"), "a@c.test|", 0 },
	{ SPAN_INIT("a@c.test., b@c.test.."), "a@c.test|", 1 },
	{ SPAN_INIT("<>"), "", 0 },
	{ SPAN_INIT("<@x,@y:a@b.test>"), "a@b.test|", 0 },
};

static void
addresses_come_in_one_form(void **state)
{
	char scratch[256], got[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		struct span value = guarded(values[i].value);
		struct buf b;

		print_row(values[i].value);
		buf_init(&b, got, sizeof(got));
		assert_int_equal(head_addresses(value, scratch, sizeof(scratch),
				     add, &b),
		    values[i].wrong);
		assert_span(buf_span(&b), span_str(values[i].want));
	}
}

static void
what_is_too_long_is_no_address(void **state)
{
	static char text[2000], scratch[5000], got[3000];
	struct span value = { text, 600 };
	struct buf b;

	(void)state;
	memset(text, 'x', sizeof(text));
	buf_init(&b, got, sizeof(got));
	assert_int_equal(head_addresses(value, scratch, sizeof(scratch), add,
			     &b),
	    1);
	text[1] = '@';
	assert_int_equal(head_addresses(value, scratch, sizeof(scratch), add,
			     &b),
	    1);
	assert_int_equal(b.n, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(records_are_whole_and_of_known_types),
		TEST(what_is_put_is_taken),
		TEST(a_head_ends_where_no_field_is),
		TEST(addresses_come_in_one_form),
		TEST(what_is_too_long_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
