#include "tests/unit/test.h"

#include "mail/address.h"

/* A path, and its canonical form; "-" if it is none. */
struct row {
	struct span text;
	unsigned flags;
	struct span want;
};

#define NONE SPAN_INIT("-")

static const struct row rows[] = {
	{ SPAN_INIT("<>"), 0, SPAN_INIT("") },
	{ SPAN_INIT("<>"), ADDRESS_STRICT, SPAN_INIT("") },
	{ SPAN_INIT("<a@b.test>"), ADDRESS_STRICT, SPAN_INIT("a@b.test") },
	{ SPAN_INIT("a@b.test"), 0, SPAN_INIT("a@b.test") },
	{ SPAN_INIT(" a@b.test"), 0, SPAN_INIT("a@b.test") },
	{ SPAN_INIT(" < a@b.test >"), 0, SPAN_INIT("a@b.test") },
	{ SPAN_INIT("a@b.test"), ADDRESS_STRICT, NONE },
	{ SPAN_INIT(" <a@b.test>"), ADDRESS_STRICT, NONE },
	{ SPAN_INIT(""), 0, NONE },
	{ SPAN_INIT("<"), 0, NONE },
	{ SPAN_INIT("<a@b.test"), 0, NONE },
	{ SPAN_INIT("<a@b@c.test>"), 0, NONE },
	{ SPAN_INIT("<a>"), 0, SPAN_INIT("a") },
	{ SPAN_INIT("<a@>"), 0, NONE },
	{ SPAN_INIT("<@b.test>"), 0, NONE },
	{ SPAN_INIT("<a b@c.test>"), 0, NONE },
	{ SPAN_INIT("<a@b.test.>"), 0, SPAN_INIT("a@b.test") },
	{ SPAN_INIT("<a@b.test.>"), ADDRESS_STRICT, NONE },
	{ SPAN_INIT("<a@-b.test>"), 0, NONE },
	{ SPAN_INIT("<a@b..test>"), 0, NONE },
	{ SPAN_INIT("<a@_b-c.test>"), 0, SPAN_INIT("a@_b-c.test") },
	{ SPAN_INIT("<a.b@c.test>"), ADDRESS_STRICT, SPAN_INIT("a.b@c.test") },
	{ SPAN_INIT("<a..b@c.test>"), 0, SPAN_INIT("\"a..b\"@c.test") },
	{ SPAN_INIT("<a..b@c.test>"), ADDRESS_STRICT, NONE },
	{ SPAN_INIT("<.a@c.test>"), 0, SPAN_INIT("\".a\"@c.test") },
	{ SPAN_INIT("<\"a\"@c.test>"), 0, SPAN_INIT("a@c.test") },
	{ SPAN_INIT("<\"a b\"@c.test>"), 0, SPAN_INIT("\"a b\"@c.test") },
	{ SPAN_INIT("<\"a\\b\"@c.test>"), 0, SPAN_INIT("ab@c.test") },
	{ SPAN_INIT("<\"a\\\"b\"@c.test>"), 0, SPAN_INIT("\"a\\\"b\"@c.test") },
	{ SPAN_INIT("<\"a@x\"@c.test>"), 0, SPAN_INIT("\"a@x\"@c.test") },
	{ SPAN_INIT("<\"\"@c.test>"), 0, SPAN_INIT("\"\"@c.test") },
	{ SPAN_INIT("<\"a@c.test>"), 0, NONE },
	{ SPAN_INIT("<\"a\\"), 0, NONE },
	{ SPAN_INIT("<\"a\0b\"@c.test>"), 0, NONE },
	{ SPAN_INIT("<a\0b@c.test>"), 0, NONE },
	{ SPAN_INIT("<a@b\0.test>"), 0, NONE },
	{ SPAN_INIT("<\"a\nb\"@c.test>"), 0, NONE },
	{ SPAN_INIT("<@x.test:a@b.test>"), ADDRESS_STRICT,
	    SPAN_INIT("a@b.test") },
	{ SPAN_INIT("<@x.test,@y.test:a@b.test>"), 0, SPAN_INIT("a@b.test") },
	{ SPAN_INIT("<@x.test,a@b.test>"), 0, NONE },
	{ SPAN_INIT("<@x.test:>"), 0, NONE },
	{ SPAN_INIT("<a@[192.0.2.1]>"), 0, SPAN_INIT("a@[192.0.2.1]") },
	{ SPAN_INIT("<a@[IPv6:2001:db8::1]>"), 0,
	    SPAN_INIT("a@[IPv6:2001:db8::1]") },
	{ SPAN_INIT("<a@[192.0.2.256]>"), 0, NONE },
	{ SPAN_INIT("<a@[192.0.2.1>"), 0, NONE },
	{ SPAN_INIT("<a@[]>"), 0, NONE },
	{ SPAN_INIT("<\xc3\xa9@b.test>"), 0, NONE },
	{ SPAN_INIT("<\xc3\xa9@b.test>"), ADDRESS_UTF8,
	    SPAN_INIT("\xc3\xa9@b.test") },
	{ SPAN_INIT("<;touch x;@b.test>"), 0, NONE },
	{ SPAN_INIT("<`id`|x@b.test>"), 0, SPAN_INIT("`id`|x@b.test") },
	{ SPAN_INIT("<-x@b.test>"), 0, SPAN_INIT("-x@b.test") },
};

static void
paths(void **state)
{
	char storage[ADDRESS_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = guarded(rows[i].text), before = in;
		struct address a;
		struct buf out;

		buf_init(&out, storage, sizeof(storage));
		print_row(rows[i].text);
		if (!take_path(&in, rows[i].flags, &a)) {
			assert_span(SPAN("-"), rows[i].want);
			assert_ptr_equal(in.p, before.p);
			continue;
		}
		assert_int_equal(in.n, 0);
		address_put(&a, &out);
		assert_span(buf_span(&out), rows[i].want);
	}
}

static void
the_canonical_form_stays_as_it_is(void **state)
{
	char one[ADDRESS_MAX], two[ADDRESS_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = rows[i].text;
		struct buf a_out, b_out;
		struct address a;

		if (!take_path(&in, rows[i].flags, &a) || a.local.n == 0)
			continue;
		buf_init(&a_out, one, sizeof(one));
		buf_init(&b_out, two, sizeof(two));
		address_put(&a, &a_out);
		in = guarded(buf_span(&a_out));
		assert_true(
		    take_mailbox(&in, rows[i].flags | ADDRESS_STRICT, &a));
		assert_int_equal(in.n, 0);
		address_put(&a, &b_out);
		assert_span(buf_span(&b_out), buf_span(&a_out));
	}
}

static void
lengths_have_an_end(void **state)
{
	static char text[2 * ADDRESS_LOCAL_MAX];
	char storage[ADDRESS_MAX];
	struct address a;
	struct buf out;

	(void)state;
	memset(text, '"', sizeof(text));
	for (size_t i = 1; i + 1 < ADDRESS_LOCAL_MAX; i += 2)
		text[i] = '\\';
	struct span in = { text, ADDRESS_LOCAL_MAX };
	assert_true(take_mailbox(&in, 0, &a));
	buf_init(&out, storage, sizeof(storage));
	address_put(&a, &out);
	assert_false(out.overflow);

	memset(text, 'a', sizeof(text));
	for (size_t n = ADDRESS_LOCAL_MAX - 1; n < ADDRESS_LOCAL_MAX + 2; n++) {
		in = (struct span){ text, n };
		assert_int_equal(take_mailbox(&in, 0, &a),
		    n <= ADDRESS_LOCAL_MAX);
	}
	text[1] = '@';
	for (size_t i = 5; i < sizeof(text); i += 4)
		text[i] = '.';
	for (size_t n = 254; n < 258; n++) {
		in = (struct span){ text, n + 2 };
		/* The dot that may be its last character does not count. */
		assert_int_equal(take_mailbox(&in, 0, &a),
		    n <= ADDRESS_DOMAIN_MAX + 1);
	}
	text[1] = 'a';
	for (size_t n = 62; n < 66; n++) {
		memset(text, 'a', sizeof(text));
		assert_int_equal(address_is_hostname((struct span){ text, n }),
		    n <= 63);
	}
}

static void
the_domain_is_behind_the_last_at(void **state)
{
	struct span local, domain;

	(void)state;
	assert_true(address_cut(SPAN("\"a@b\"@c.test"), &local, &domain));
	assert_span(local, SPAN("\"a@b\""));
	assert_span(domain, SPAN("c.test"));
	assert_false(address_cut(SPAN("\"a@b\""), &local, &domain));
	assert_span(local, SPAN("\"a@b\""));
	assert_false(address_cut(SPAN(""), &local, &domain));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(paths),
		TEST(the_canonical_form_stays_as_it_is),
		TEST(lengths_have_an_end),
		TEST(the_domain_is_behind_the_last_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
