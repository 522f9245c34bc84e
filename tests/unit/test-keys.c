#include "tests/unit/test.h"

#include "base/buf.h"
#include "dict/keys.h"

static const struct {
	enum keys_kind kind;
	struct span address;
	bool bare;
	bool parents;
	const char *keys;
} cases[] = {
	{ KEYS_ACCESS, SPAN_INIT("u+x@a.b.c"), false, false,
	    "u+x@a.b.c u@a.b.c a.b.c .b.c .c u+x@ u@" },
	{ KEYS_ACCESS, SPAN_INIT("u@a.b.c"), false, true,
	    "u@a.b.c a.b.c b.c c u@" },
	{ KEYS_ACCESS, SPAN_INIT("u@c"), false, true, "u@c c u@" },
	{ KEYS_VIRTUAL, SPAN_INIT("u+x@a.b"), false, false,
	    "u+x@a.b u@a.b @a.b" },
	{ KEYS_VIRTUAL, SPAN_INIT("u+x@a.b"), true, false,
	    "u+x@a.b u@a.b u+x u @a.b" },
	{ KEYS_VIRTUAL, SPAN_INIT("u@a.b"), true, false, "u@a.b u @a.b" },
	{ KEYS_VIRTUAL, SPAN_INIT("u+x"), true, false, "u+x u" },
	{ KEYS_MAILBOX, SPAN_INIT("u+x+y@a.b"), true, false,
	    "u+x+y@a.b u@a.b @a.b" },
	{ KEYS_MAILBOX, SPAN_INIT("+x@a.b"), true, false, "+x@a.b @a.b" },
	{ KEYS_MAILBOX, SPAN_INIT("\"a@b\"@c"), true, false,
	    "\"a@b\"@c a@b@c @c" },
	{ KEYS_VIRTUAL, SPAN_INIT("\"a@b+x\"@c"), true, false,
	    "\"a@b+x\"@c \"a@b\"@c \"a@b+x\" \"a@b\" @c" },
	{ KEYS_ADDRESS, SPAN_INIT("\"ab+x@y\"@c"), true, false,
	    "\"ab+x@y\"@c ab+x@y@c ab@c \"ab+x@y\" ab+x@y ab @c" },
	{ KEYS_ACCESS, SPAN_INIT("\"a@b+x\"@c"), true, false,
	    "\"a@b+x\"@c a@b+x@c \"a@b\"@c a@b@c c \"a@b+x\"@ a@b+x@ "
	    "\"a@b\"@ a@b@" },
	{ KEYS_TRANSPORT, SPAN_INIT("\"a\\\"b\"@c"), true, false,
	    "\"a\\\"b\"@c a\"b@c c *" },
	{ KEYS_VIRTUAL, SPAN_INIT("\"\"@c"), true, false, "\"\"@c \"\" @c" },
	{ KEYS_TRANSPORT, SPAN_INIT("u+x@a.b.c"), false, false,
	    "u+x@a.b.c u@a.b.c a.b.c .b.c .c *" },
	{ KEYS_VIRTUAL, SPAN_INIT("postmaster+x@a"), false, false,
	    "postmaster+x@a postmaster@a @a" },
	{ KEYS_MAILBOX, SPAN_INIT(""), false, false, "" },
	{ KEYS_ACCESS, SPAN_INIT("@"), false, false, "" },
	{ KEYS_ACCESS, SPAN_INIT("u@"), false, false, "u u@" },
};

static void
check(struct keys *k, const char *want)
{
	char storage[256];
	struct buf got;
	bool first = true;

	buf_init(&got, storage, sizeof(storage));
	while (keys_next(k)) {
		/* Without its quotes it is the whole as well. */
		if (!k->quoted)
			assert_int_equal(k->partial, !first);
		else if (first)
			assert_false(k->partial);
		buf_putf(&got, "%s%.*s", first ? "" : " ", (int)k->key.n,
		    k->key.p);
		first = false;
	}
	assert_span(buf_span(&got), ((struct span){ want, strlen(want) }));
	assert_false(keys_next(k));
}

static void
addresses_have_forms(void **state)
{
	struct keys k;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		keys_address(&k, cases[i].kind, guarded(cases[i].address),
		    SPAN("+"), cases[i].bare, cases[i].parents);
		check(&k, cases[i].keys);
	}
}

static void
hosts_have_parents(void **state)
{
	struct keys k;

	(void)state;
	keys_host(&k, guarded(SPAN("a.b.c")), false);
	check(&k, "a.b.c .b.c .c");
	keys_host(&k, guarded(SPAN("a.b.c")), true);
	check(&k, "a.b.c b.c c");
	keys_host(&k, guarded(SPAN("a.")), true);
	check(&k, "a.");
	keys_host(&k, SPAN(""), true);
	check(&k, "");
}

static void
networks_grow_shorter(void **state)
{
	struct keys k;

	(void)state;
	keys_ip(&k, guarded(SPAN("192.0.2.1")));
	check(&k, "192.0.2.1 192.0.2 192.0 192");
	keys_ip(&k, guarded(SPAN("2001:db8::1")));
	check(&k, "2001:db8::1 2001:db8: 2001:db8 2001");
}

static void
extensions(void **state)
{
	struct span base, ext;

	(void)state;
	assert_true(keys_split(SPAN("a+b-c"), SPAN("-+"), &base, &ext));
	assert_span(base, SPAN("a"));
	assert_span(ext, SPAN("b-c"));
	assert_true(keys_split(SPAN("a+"), SPAN("+"), &base, &ext));
	assert_span(ext, SPAN(""));
	assert_false(keys_split(SPAN("+a"), SPAN("+"), &base, &ext));
	assert_false(keys_split(SPAN("a-b"), SPAN("+"), &base, &ext));
	assert_false(keys_split(SPAN("a-b"), SPAN(""), &base, &ext));
	assert_true(keys_split(SPAN("owner-"), SPAN("-"), &base, &ext));
	assert_false(keys_split(SPAN("\"a+b c\""), SPAN("+"), &base, &ext));
	assert_false(keys_split(SPAN("Owner-a+b"), SPAN("+-"), &base, &ext));
	assert_false(keys_split(SPAN("a+b-request"), SPAN("-+"), &base, &ext));
	assert_true(keys_split(SPAN("owner-a+b"), SPAN("+"), &base, &ext));
	assert_true(
	    keys_split(SPAN("-request"), SPAN("-"), &base, &ext) == false);
	assert_false(keys_split(SPAN("Mailer-Daemon"), SPAN("-"), &base, &ext));
}

static void
a_long_address_has_no_keys(void **state)
{
	static char text[KEYS_TEXT_MAX + 1];
	struct keys k;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[10] = '@';
	for (size_t n = KEYS_TEXT_MAX - 4; n <= KEYS_TEXT_MAX + 1; n++) {
		size_t keys = 0;

		keys_address(&k, KEYS_VIRTUAL,
		    guarded((struct span){ text, n }), SPAN("+"), true, false);
		while (keys_next(&k))
			keys++;
		assert_int_equal(keys, n + 2 > KEYS_TEXT_MAX ? 0 : 3);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(addresses_have_forms),
		TEST(hosts_have_parents),
		TEST(networks_grow_shorter),
		TEST(extensions),
		TEST(a_long_address_has_no_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
