#include "tests/unit/conf.h"

#include "mail/field_addrs.h"
#include "mail/rewrite.h"

static const char main_cf[] =
    "myhostname = mx.demo.test\n"
    "mydomain = demo.test\n"
    "myorigin = demo.test\n"
    "mydestination = local.test\n"
    "recipient_delimiter = +\n"
    "append_dot_mydomain = yes\n"
    "canonical_maps = inline:{"
    " {alice@demo.test=Alice.Liddell@demo.test}"
    " {one@chain.test=two@chain.test} {two@chain.test=three@chain.test}"
    " {ring@a.test=ring@b.test} {ring@b.test=ring@a.test}"
    " {@old.test=@new.test} {bad@demo.test=a b@} {bob=robert}}\n"
    "sender_canonical_maps = inline:{root@demo.test=admin@demo.test}\n"
    "recipient_canonical_maps = inline:{list@demo.test=all@lists.test}\n"
    "masquerade_domains = !keep.demo.test demo.test\n"
    "masquerade_exceptions = root\n"
    "always_bcc = archive\n"
    "sender_bcc_maps = inline:{boss@demo.test=audit@demo.test}\n"
    "recipient_bcc_maps = inline:{@secret.test=watch@demo.test}\n";

static struct conf *conf;
static struct rewrite *rewrite;
static struct arena *arena;
static struct why why;

static struct conf *
make_conf(const char *text)
{
	static const char *const names[] = { "main.cf", NULL };
	struct conf *c;
	char dir[64];

	snprintf(dir, sizeof(dir), "%s", temp_dir());
	temp_file(dir, "main.cf", text);
	c = conf_load(dir, NULL, 0, &why);
	temp_remove(dir, names);
	return c;
}

enum {
	ES = REWRITE_ENVELOPE_SENDER,
	ER = REWRITE_ENVELOPE_RECIPIENT,
	HS = REWRITE_HEADER_SENDER,
	HR = REWRITE_HEADER_RECIPIENT,
};

static void
addresses_become_what_they_are_to_be(void **state)
{
	static const struct {
		unsigned role;
		bool is_ours;
		const char *addr;
		const char *want; /* NULL: it stays */
	} rows[] = {
		{ ES, false, "", NULL },
		{ ES, false, "x", "x@demo.test" },
		{ ER, false, "x", "x@demo.test" },
		{ HS, true, "x", "x@demo.test" },
		{ HS, false, "x", NULL },
		{ ER, false, "x@host", "x@host.demo.test" },
		{ ER, false, "x@host.test", NULL },
		{ ER, false, "x@[127.0.0.1]", NULL },
		{ ER, false, "far.test!x", "x@far.test" },
		{ ER, false, "x%far.test", "x@far.test" },
		{ ER, false, "x%a%far.test", "x%a@far.test" },
		{ ER, false, "\"x%far.test\"", "\"x%far.test\"@demo.test" },
		{ ER, false, "%", "%@demo.test" },
		{ ER, false, "x%far.test@here.test", NULL },
		{ ES, false, "alice@demo.test", "Alice.Liddell@demo.test" },
		{ ES, false, "alice", "Alice.Liddell@demo.test" },
		{ ER, false, "alice+tag@demo.test",
		    "Alice.Liddell+tag@demo.test" },
		{ HR, false, "alice@demo.test", NULL },
		{ HR, true, "alice@demo.test", "Alice.Liddell@demo.test" },
		{ ER, false, "one@chain.test", "three@chain.test" },
		{ ER, false, "ring@a.test", NULL },
		{ ER, false, "x@old.test", "x@new.test" },
		{ ER, false, "bob@local.test", "robert@demo.test" },
		{ ER, false, "bob@other.test", NULL },
		{ ES, false, "root@demo.test", "admin@demo.test" },
		{ ER, false, "root@demo.test", NULL },
		{ ER, false, "list@demo.test", "all@lists.test" },
		{ ES, false, "list@demo.test", NULL },
		{ ES, false, "x@pc.demo.test", "x@demo.test" },
		{ HR, true, "x@pc.demo.test", "x@demo.test" },
		{ ER, false, "x@pc.demo.test", NULL },
		{ ES, false, "x@pc.keep.demo.test", NULL },
		{ ES, false, "x@keep.demo.test", NULL },
		{ ES, false, "root@pc.demo.test", NULL },
		{ ES, false, "x@notdemo.test", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span addr = span_str(rows[i].addr), got;

		print_row(addr);
		assert_int_equal(rewrite_address(rewrite,
				     (enum rewrite_role)rows[i].role,
				     rows[i].is_ours, guarded(addr), arena,
				     &got, &why),
		    rows[i].want ? DICT_FOUND : DICT_ABSENT);
		assert_span(got, rows[i].want ? span_str(rows[i].want) : addr);
	}
}

static void
what_is_no_address_is_for_later(void **state)
{
	struct span got;

	(void)state;
	assert_int_equal(rewrite_address(rewrite, REWRITE_ENVELOPE_RECIPIENT,
			     false, SPAN("bad@demo.test"), arena, &got, &why),
	    DICT_TEMPFAIL);
	assert_string_equal(why.text,
	    "canonical_maps: not one address for bad@demo.test");
	assert_int_equal(rewrite_field(rewrite, SPAN("To"), true,
			     SPAN(" x, bad@demo.test"), arena, &got, &why),
	    DICT_TEMPFAIL);
}

static void
fields_keep_all_but_addresses(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *want; /* NULL: it stays */
	} rows[] = {
		{ "To", " x", " x@demo.test" },
		{ "to", " x , y@far.test,\n\tz ",
		    " x@demo.test , y@far.test,\n\tz@demo.test " },
		{ "Cc", " \"x, y\" <x>, (c) z (d)",
		    " \"x, y\" <x@demo.test>, (c) z@demo.test (d)" },
		{ "From", " Alice <alice@demo.test> (home)",
		    " Alice <Alice.Liddell@demo.test> (home)" },
		{ "To", " friends: a, <b>; c",
		    " friends: a@demo.test, <b@demo.test>; c@demo.test" },
		{ "To", " undisclosed-recipients:;", NULL },
		{ "To", " <>", NULL },
		{ "To", " a b c", NULL },
		{ "To", " \"quoted user\"@pc.demo.test",
		    " \"quoted user\"@demo.test" },
		{ "To", " <\"a>b\"@x>", " <\"a>b\"@demo.test>" },
		{ "To", " <@r.test:x@pc.demo.test>", NULL },
		{ "To", " (open", NULL },
		{ "To", " \"open", NULL },
		{ "To", " <open", NULL },
		{ "To", " x@[IPv6:::1], y", " x@[IPv6:::1], y@demo.test" },
		{ "Subject", " x", NULL },
		{ "To", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span value = span_str(rows[i].value), got = value;

		print_row(value);
		assert_int_equal(rewrite_field(rewrite, span_str(rows[i].name),
				     true, guarded(value), arena, &got, &why),
		    rows[i].want ? DICT_FOUND : DICT_ABSENT);
		assert_span(got, rows[i].want ? span_str(rows[i].want) : value);
	}
	struct span got;
	assert_int_equal(rewrite_field(rewrite, SPAN("To"), false, SPAN(" x"),
			     arena, &got, &why),
	    DICT_ABSENT);
}

/* Most are short, and each grows: ten thousand of them fit all the same. */
static void
a_field_of_many_addresses_is_rewritten(void **state)
{
	enum {
		MANY = 10000
	};
	static char text[3 * MANY + 1], want[13 * MANY + 1];
	struct arena *a = arena_new(8 << 20);
	struct span got;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		memcpy(text + 3 * i, " x,", 3);
		memcpy(want + 13 * i, " x@demo.test,", 13);
	}
	assert_int_equal(rewrite_field(rewrite, SPAN("To"), true,
			     (struct span){ text, 3 * MANY }, a, &got, &why),
	    DICT_FOUND);
	assert_span(got, ((struct span){ want, 13 * MANY }));
	arena_free(a);
}

static void
copies_go_to_others(void **state)
{
	const struct span *list;
	size_t n;

	(void)state;
	assert_int_equal(rewrite_bcc_of_sender(rewrite, SPAN("boss@demo.test"),
			     arena, &list, &n, &why),
	    DICT_FOUND);
	assert_int_equal(n, 2);
	assert_span(list[0], SPAN("archive@demo.test"));
	assert_span(list[1], SPAN("audit@demo.test"));
	assert_int_equal(rewrite_bcc_of_sender(rewrite, SPAN(""), arena, &list,
			     &n, &why),
	    DICT_FOUND);
	assert_int_equal(n, 1);
	assert_int_equal(rewrite_bcc_of_recipient(rewrite,
			     SPAN("x@secret.test"), arena, &list, &n, &why),
	    DICT_FOUND);
	assert_span(list[0], SPAN("watch@demo.test"));
	assert_int_equal(rewrite_bcc_of_recipient(rewrite, SPAN("x@open.test"),
			     arena, &list, &n, &why),
	    DICT_ABSENT);
}

static void
a_wrong_class_is_told(void **state)
{
	struct conf *c = make_conf("masquerade_classes = sender\n");

	(void)state;
	assert_null(rewrite_open(c, &why));
	assert_non_null(strstr(why.text,
	    "main.cf:1: masquerade_classes: \"sender\" is no class; allowed "
	    "are envelope_sender"));
	conf_free(c);
}

static int
begin(void **state)
{
	(void)state;
	conf = make_conf(main_cf);
	rewrite = rewrite_open(conf, &why);
	arena = arena_new(1 << 20);
	return rewrite ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	rewrite_close(rewrite);
	arena_free(arena);
	conf_free(conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_become_what_they_are_to_be),
		TEST(what_is_no_address_is_for_later),
		TEST(fields_keep_all_but_addresses),
		TEST(a_field_of_many_addresses_is_rewritten),
		TEST(copies_go_to_others),
		TEST(a_wrong_class_is_told),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
