#include "tests/unit/conf.h"

#include "dict/build.h"
#include "dict/dict.h"
#include "dict/lists.h"
#include "dict/rows.h"

#include <errno.h>

static const char *const files[] = { "t", "t.lmdb", "list", NULL };

/* The value as text, or what came instead. */
static const char *
ask(struct dict *d, const char *key)
{
	static char text[1024];
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span value;
	struct why why;

	switch (dict_get(d, guarded((struct span){ key, strlen(key) }), a,
	    &value, &why)) {
	case DICT_FOUND:
		snprintf(text, sizeof(text), "%.*s", (int)value.n, value.p);
		return text;
	case DICT_ABSENT:
		return "(absent)";
	case DICT_TEMPFAIL:
		return "(tempfail)";
	}
	return NULL;
}

struct pair {
	const char *key;
	const char *value;
};

static void
check_table(const char *table, const struct pair *pairs, size_t n)
{
	struct why why;
	struct dict *d = dict_open(table, 0, &why);

	if (!d)
		fail_msg("%s", why.text);
	for (size_t i = 0; i < n; i++) {
		print_message("# %s %s\n", table, pairs[i].key);
		assert_string_equal(ask(d, pairs[i].key), pairs[i].value);
	}
	assert_string_equal(dict_name(d), table);
	assert_true(dict_is_quick(d));
	dict_close(d);
}

static void
check_text(const char *type, const char *text, const struct pair *pairs,
    size_t n)
{
	const char *dir = temp_dir();
	char table[300];

	snprintf(table, sizeof(table), "%s:%s", type,
	    temp_file(dir, "t", text));
	check_table(table, pairs, n);
	temp_remove(dir, files);
}

static void
rows_are_key_and_value(void **state)
{
	static const struct {
		struct span line;
		enum row_result result;
		const char *key;
		const char *value;
	} cases[] = {
		{ SPAN_INIT("foo bar"), ROW_TAKEN, "foo", "bar" },
		{ SPAN_INIT("k1\t v with  blanks \t"), ROW_TAKEN, "k1",
		    "v with  blanks" },
		{ SPAN_INIT("\"a b\" c"), ROW_TAKEN, "\"a b\"", "c" },
		{ SPAN_INIT("a\"b c\"d e"), ROW_TAKEN, "a\"b c\"d", "e" },
		{ SPAN_INIT("x\\ y z"), ROW_TAKEN, "x\\ y", "z" },
		{ SPAN_INIT("\"q\\\"r\" s"), ROW_TAKEN, "\"q\\\"r\"", "s" },
		{ SPAN_INIT("x\\"), ROW_NO_VALUE, "x\\", "" },
		{ SPAN_INIT("alone"), ROW_NO_VALUE, "alone", "" },
		{ SPAN_INIT("\"open a"), ROW_UNBALANCED, "\"open a", "" },
		{ SPAN_INIT(""), ROW_NO_VALUE, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct span key;
		struct span value;

		assert_int_equal(row_parse(guarded(cases[i].line), &key,
				     &value),
		    cases[i].result);
		assert_span(key,
		    ((struct span){ cases[i].key, strlen(cases[i].key) }));
		assert_span(value,
		    ((struct span){ cases[i].value, strlen(cases[i].value) }));
	}
}

static void
texthash_is_the_source(void **state)
{
	static const struct pair pairs[] = {
		{ "foo", "bar" },
		{ "FOO", "bar" },
		{ "k2", "one  two" },
		{ "\"a b\"", "q" },
		{ "nothing", "(absent)" },
		{ "", "(absent)" },
	};

	(void)state;
	check_text("texthash",
	    "Foo bar\n# c\nk2 one\n  two\nnovalue\nFOO twice\n\"a b\" q\n",
	    pairs, COUNT_OF(pairs));
}

static void
inline_and_static_stand_in_main_cf(void **state)
{
	static const struct pair inlined[] = {
		{ "a", "1" },
		{ "B", "two words" },
		{ "c", "(absent)" },
	};
	static const struct pair same[] = { { "x", "5000" }, { "y", "5000" } };
	static const struct pair words[] = { { "x", "a b" } };
	static const struct pair none[] = { { "x", "(tempfail)" } };
	static const struct pair rules[] = {
		{ "get", "bogus" },
		{ "x{1}", "1" },
		{ "GET2", "(absent)" },
	};
	struct why why;

	(void)state;
	check_table("inline:{ a=1, { b = two words } }", inlined, 3);
	check_table("static:5000", same, 2);
	check_table("static:{ a b }", words, 1);
	check_table("fail:x", none, 1);
	check_table("regexp:{{/^GET$/ bogus}, { /^x[{](.)[}]/ $1 }}", rules, 3);
	assert_null(dict_open("regexp:{/a/ b", 0, &why));
	assert_null(dict_open("inline:a=1", 0, &why));
	assert_null(dict_open("inline:{ a }", 0, &why));
}

static void
the_first_network_wins(void **state)
{
	static const struct pair pairs[] = {
		{ "192.0.2.1", "one" },
		{ "192.0.2.2", "net" },
		{ "10.1.0.1", "ten one" },
		{ "10.2.0.1", "ten" },
		{ "2001:db8::5", "six" },
		{ "203.0.113.1", "else" },
		{ "127.0.0.1", "(absent)" },
		{ "host.example", "(absent)" },
	};

	(void)state;
	check_text("cidr",
	    "192.0.2.1 one\n192.0.2.0/24\tnet\n192.0.2.9/24 bad\n"
	    "if 10.0.0.0/8\n10.1.0.0/16 ten one\n0.0.0.0/0 ten\nendif\n"
	    "endif\n2001:db8::/32 six\n192.0.2.3/32\n"
	    "if !127.0.0.0/8\n!10.0.0.0/8 else\nendif\n",
	    pairs, COUNT_OF(pairs));
}

static const char patterns[] = "/^a(.)c(d)?$/ 1=$1 2=${2} $$\n"
			       "/^Case$/i same case\n"
			       "!/\\./ no dot\n"
			       "if /^in\\./\n/x$/ inner $(x\n/y$/ inner y\n"
			       "endif\nif !/^in\\./\n/^out\\./ out\nendif\n"
			       "/[/ bad\n/ok/q bad\nnot a rule\n/novalue/\n"
			       "/^in\\.(.)/ last $1 $2\n/^in\\.(.)/ last-$1\n";

static const struct pair pattern_pairs[] = {
	{ "ABC", "1=B 2= $" },
	{ "aXcd", "1=X 2=d $" },
	{ "Case", "same case" },
	{ "case", "no dot" },
	{ "in.y", "inner y" },
	{ "in.x", "last-x" },
	{ "out.x", "out" },
	{ "other.x", "(absent)" },
};

static void
the_first_pattern_wins(void **state)
{
	(void)state;
	check_text("regexp", patterns, pattern_pairs, COUNT_OF(pattern_pairs));
#ifdef HAVE_PCRE
	check_text("pcre", patterns, pattern_pairs, COUNT_OF(pattern_pairs));
#endif
}

static void
patterns_may_stand_in_main_cf(void **state)
{
	static const struct pair pairs[] = {
		{ "ab", "two $ b" },
		{ "caat", "comma, blank" },
		{ "in.x", "inner" },
		{ "x", "(absent)" },
		{ "", "(absent)" },
	};
	static const struct pair nets[] = {
		{ "192.0.2.1", "OK" },
		{ "10.0.0.1", "(absent)" },
	};
	static const struct pair none[] = { { "x", "(absent)" } };

	(void)state;
	check_table("regexp:{{/^a(b)/ two $$ $1}, { /^ca{2}t$/ comma, blank },"
		    "{if /^in/} {/x/ inner} {endif}}",
	    pairs, COUNT_OF(pairs));
#ifdef HAVE_PCRE
	check_table("pcre:{{/^a(b)/ two $$ $1} {/^ca{2}t$/ comma, blank}"
		    "\t{if /^in/},{/x/ inner} , {endif}}",
	    pairs, COUNT_OF(pairs));
#endif
	check_table("cidr:{{192.0.2.0/24 OK}}", nets, COUNT_OF(nets));
	check_table("regexp:{}", none, 1);
	check_table("cidr:{ , { # x y} }", none, 1);
}

static void
rules_in_main_cf_have_braces(void **state)
{
	static const char *const bad[] = {
		"regexp:{/a/ b}",
		"regexp:{{/a/ b}",
		"regexp:{{/a/ b}} x",
		"regexp:{{/a/ b}x}",
		"regexp:{{/a/ b}{/c/ d}}",
		"cidr:{{192.0.2.1 OK}, }}",
		"cidr:{",
	};
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		print_message("# %s\n", bad[i]);
		assert_null(dict_open(bad[i], 0, &why));
		assert_non_null(strstr(why.text, "{{rule}, {rule} ...}"));
	}
}

static void
patterns_have_a_bound(void **state)
{
	static const struct pair pairs[] = {
		{ "aaa", "plus" },
		{ "192.0.2.255", "address" },
		{ "b", "(absent)" },
		{ "]+++++++++++++++++++++++++++++++", "set" },
	};

	(void)state;
	check_text("regexp",
	    "/b++++++++++++++++++++++++++++++++++++/ x\n"
	    "/(b{255}){255}{255}/ x\n"
	    "/b\\{255\\}\\{255\\}\\{255\\}/x x\n"
	    "/^a++$/ plus\n/^([0-9]{1,3}\\.){3}[0-9]{1,3}$/ address\n"
	    "/^[]+++++++++++++++++++++++++++++++]{32}$/ set\n",
	    pairs, COUNT_OF(pairs));
}

static void
unknown_types_are_named(void **state)
{
	struct why why;

	(void)state;
	assert_null(dict_open("nisplus:/etc/aliases", 0, &why));
	assert_non_null(strstr(why.text,
	    "nisplus:/etc/aliases: the table type nisplus is not built; "
	    "allowed is one of: btree, cdb, cidr"));
	assert_null(dict_open("nosuch:x", 0, &why));
	assert_non_null(strstr(why.text, "nosuch is not known"));
	assert_null(dict_open("plain", 0, &why));
	assert_string_equal(why.text, "plain: no table; allowed is type:name");
	assert_null(dict_open("texthash:/no/such", 0, &why));
	assert_string_equal(why.text, "/no/such: No such file or directory");
}

static void
a_replaced_file_is_noticed(void **state)
{
	const char *dir = temp_dir();
	char table[300];
	struct why why;

	(void)state;
	snprintf(table, sizeof(table), "texthash:%s",
	    temp_file(dir, "t", "a 1\n"));

	struct dict *d = dict_open(table, 0, &why);

	assert_non_null(d);
	assert_string_equal(dict_file(d), table + 9);
	assert_false(dict_changed(d));
	temp_file(dir, "t", "a 12\n");
	assert_true(dict_changed(d));
	dict_close(d);
	temp_remove(dir, files);
}

static void
a_value_may_not_fit(void **state)
{
	struct why why;
	struct dict *d = dict_open("static:0123456789abcdef", 0, &why);
	struct span value;

	(void)state;
	for (size_t max = 0; max < 200; max++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(max);
		enum dict_result r = dict_get(d, SPAN("x"), a, &value, &why);

		if (r == DICT_FOUND)
			assert_span(value, SPAN("0123456789abcdef"));
		else
			assert_int_equal(r, DICT_TEMPFAIL);
	}
	dict_close(d);
}

#ifdef HAVE_LMDB
static void
lmdb_is_made_and_asked(void **state)
{
	static const struct pair pairs[] = {
		{ "a", "1" },
		{ "A", "1" },
		{ "b", "" },
		{ "c", "(absent)" },
	};
	const char *dir = temp_dir();
	char table[300];
	struct why why;
	struct stat st;

	(void)state;
	snprintf(table, sizeof(table), "lmdb:%s/t", dir);

	struct dict_build *b = dict_build_begin(table, 0640, 0, &why);

	assert_non_null(b);
	assert_int_equal(dict_build_add(b, SPAN("a"), SPAN("1"), &why),
	    DICT_BUILD_ADDED);
	assert_int_equal(dict_build_add(b, SPAN("b"), SPAN(""), &why),
	    DICT_BUILD_ADDED);
	assert_int_equal(dict_build_add(b, SPAN("a"), SPAN("2"), &why),
	    DICT_BUILD_TWICE);
	assert_null(dict_open(table, 0, &why));
	assert_int_equal(dict_build_commit(b, &why), 0);
	check_table(table, pairs, COUNT_OF(pairs));
	snprintf(table, sizeof(table), "%s/t.lmdb", dir);
	assert_int_equal(stat(table, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	temp_remove(dir, files);
}

static void
an_aborted_table_leaves_nothing(void **state)
{
	static char key[600];
	const char *dir = temp_dir();
	char table[300];
	struct why why;

	(void)state;
	snprintf(table, sizeof(table), "lmdb:%s/t", dir);

	struct dict_build *b = dict_build_begin(table, 0640, 0, &why);

	memset(key, 'k', sizeof(key));
	assert_int_equal(dict_build_add(b, (struct span){ key, 510 }, SPAN("1"),
			     &why),
	    DICT_BUILD_ADDED);
	assert_int_equal(dict_build_add(b, (struct span){ key, 511 }, SPAN("1"),
			     &why),
	    DICT_BUILD_FAILED);
	dict_build_abort(b);
	assert_int_equal(rmdir(dir), 0);
	assert_null(dict_build_begin("texthash:/tmp/x", 0640, 0, &why));
}
#endif

static enum dict_result
has(const char *list, unsigned flags, const char *name, const char *addr)
{
	struct why why;
	struct addr a = { 0 };
	struct lists *l = lists_open(list, flags, &why);
	enum dict_result r;

	if (!l)
		fail_msg("%s", why.text);
	if (addr)
		assert_true(
		    addr_parse((struct span){ addr, strlen(addr) }, &a));
	r = lists_has_client(l, (struct span){ name, strlen(name) },
	    addr ? &a : NULL, &why);
	lists_close(l);
	return r;
}

static void
lists_match_in_their_order(void **state)
{
	const char *dir = temp_dir();
	char text[300];
	struct why why;

	(void)state;
	assert_int_equal(has("a.b, c.d", LISTS_NAMES, "C.d", NULL), DICT_FOUND);
	assert_int_equal(has("a.b", LISTS_NAMES, "x.a.b", NULL), DICT_ABSENT);
	assert_int_equal(has(".a.b", LISTS_NAMES, "x.a.b", NULL), DICT_FOUND);
	assert_int_equal(has(".a.b", LISTS_NAMES, "a.b", NULL), DICT_ABSENT);
	assert_int_equal(has("a.b", LISTS_NAMES | LISTS_PARENTS, "x.a.b", NULL),
	    DICT_FOUND);
	assert_int_equal(has("a.b", LISTS_NAMES | LISTS_PARENTS, "xa.b", NULL),
	    DICT_ABSENT);
	assert_int_equal(has("!x.a .a", LISTS_NAMES, "x.a", NULL), DICT_ABSENT);
	assert_int_equal(has("!x.a .a", LISTS_NAMES, "y.a", NULL), DICT_FOUND);
	assert_int_equal(has("", LISTS_NAMES, "a", NULL), DICT_ABSENT);
	assert_int_equal(has("!10.1.0.0/16 10.0.0.0/8, [::1]/128", LISTS_ADDRS,
			     "", "10.1.0.1"),
	    DICT_ABSENT);
	assert_int_equal(has("!10.1.0.0/16 10.0.0.0/8", LISTS_ADDRS, "",
			     "10.2.0.1"),
	    DICT_FOUND);
	assert_int_equal(has("[::1]/128 ::2", LISTS_ADDRS, "", "::2"),
	    DICT_FOUND);
	assert_int_equal(has("inline:{a.b=x}", LISTS_NAMES, "a.b", NULL),
	    DICT_FOUND);
	assert_int_equal(has("inline:{.b=x}", LISTS_NAMES, "a.b", NULL),
	    DICT_FOUND);
	assert_int_equal(has("inline:{10.0.0.1=x}", LISTS_ADDRS, "",
			     "10.0.0.1"),
	    DICT_FOUND);
	assert_int_equal(has("fail:x a", LISTS_NAMES, "a", NULL),
	    DICT_TEMPFAIL);
	assert_int_equal(has("a fail:x", LISTS_NAMES, "a", NULL), DICT_FOUND);
	snprintf(text, sizeof(text), "x %s",
	    temp_file(dir, "list", "# c\na\nb, !c\n"));
	assert_int_equal(has(text, LISTS_NAMES, "b", NULL), DICT_FOUND);
	assert_int_equal(has(text, LISTS_NAMES, "c", NULL), DICT_ABSENT);
	assert_null(lists_open("10.0.0.1/8", LISTS_ADDRS, &why));
	assert_null(lists_open("host", LISTS_ADDRS, &why));
	assert_null(lists_open("/no/such", LISTS_NAMES, &why));
	assert_null(lists_open("a !", LISTS_NAMES, &why));
	assert_null(lists_open("hash:/x", LISTS_NAMES, &why));
	temp_remove(dir, files);
}

/* The default of smtpd_forbidden_commands. */
static void
a_list_may_hold_patterns_with_braces(void **state)
{
	static const char text[] = "CONNECT GET POST "
				   "regexp:{{/^[^A-Z]/ Bogus}}";

	(void)state;
	assert_int_equal(has(text, LISTS_NAMES, "get", NULL), DICT_FOUND);
	assert_int_equal(has(text, LISTS_NAMES, "EHLO", NULL), DICT_ABSENT);
	assert_int_equal(has(text, LISTS_NAMES, "ehlo", NULL), DICT_ABSENT);
	assert_int_equal(has(text, LISTS_NAMES, "?", NULL), DICT_FOUND);
	assert_int_equal(has(text, LISTS_NAMES, "\x16\x03", NULL), DICT_FOUND);
	assert_int_equal(has(text, LISTS_NAMES, "X.EHLO", NULL), DICT_ABSENT);
}

static enum dict_result
ask_other(const char *name, size_t parameter, size_t element, struct span key,
    struct arena *a, struct span *value_r, struct why *why)
{
	(void)name;
	(void)a;
	(void)why;
	*value_r = key;
	return parameter == 7 && element == 2 ? DICT_FOUND : DICT_ABSENT;
}

/* By the name service, or by whoever is set to ask it. */
static void
users_of_the_system_are_a_table(void **state)
{
	static const char *const names[] = { "unix:passwd.byname",
		"proxy:unix:passwd.byname" };
	struct span value;
	struct why why;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(65536);
		struct dict *d = dict_open(names[i], 0, &why);

		assert_non_null(d);
		assert_true(dict_is_remote(d) && !dict_is_quick(d));
		assert_int_equal(dict_get(d, SPAN("ROOT"), a, &value, &why),
		    DICT_FOUND);
		assert_true(value.n > 9);
		assert_memory_equal(value.p, "root:x:0:", 9);
		assert_int_equal(dict_get(d, SPAN("no.body"), a, &value, &why),
		    DICT_ABSENT);
		assert_int_equal(dict_get(d, SPAN("a\0b"), a, &value, &why),
		    DICT_ABSENT);
		dict_on_ask(ask_other);
		assert_int_equal(dict_get(d, SPAN("root"), a, &value, &why),
		    DICT_ABSENT);
		dict_set_origin(d, 7, 2);
		assert_int_equal(dict_get(d, SPAN("x"), a, &value, &why),
		    DICT_FOUND);
		assert_span(value, SPAN("x"));
		dict_on_ask(NULL);
		dict_close(d);
	}
	assert_null(dict_open("unix:shadow", 0, &why));
	assert_null(dict_open("proxy:nothing:x", 0, &why));
	assert_null(dict_open("proxy:", 0, &why));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(rows_are_key_and_value),
		TEST(texthash_is_the_source),
		TEST(inline_and_static_stand_in_main_cf),
		TEST(the_first_network_wins),
		TEST(the_first_pattern_wins),
		TEST(patterns_may_stand_in_main_cf),
		TEST(rules_in_main_cf_have_braces),
		TEST(patterns_have_a_bound),
		TEST(unknown_types_are_named),
		TEST(a_replaced_file_is_noticed),
		TEST(a_value_may_not_fit),
#ifdef HAVE_LMDB
		TEST(lmdb_is_made_and_asked),
		TEST(an_aborted_table_leaves_nothing),
#endif
		TEST(users_of_the_system_are_a_table),
		TEST(lists_match_in_their_order),
		TEST(a_list_may_hold_patterns_with_braces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
