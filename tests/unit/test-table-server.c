/* Tables behind servers: what is asked and answered, without any server. */
#include "tests/unit/conf.h"

#include "dict/dict.h"
#include "dict/server/config.h"
#include "dict/server/filter.h"
#include "dict/server/format.h"
#include "dict/server/ldap_quote.h"
#include "dict/server/module.h"
#include "dict/server/replies.h"
#include "dict/server/utf8.h"

static const char *const files[] = { "t.cf", NULL };

/* Quotes as SQL does, which shows where it is done. */
static bool
double_quotes(struct span text, struct buf *out, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'')
			buf_put(out, SPAN("'"));
		buf_put(out, (struct span){ &text.p[i], 1 });
	}
	return !memchr(text.p, '!', text.n);
}

static void
a_format_is_filled_in_or_suppressed(void **state)
{
	static const struct {
		const char *format, *key, *result; /* NULL: suppressed */
	} rows[] = {
		{ "a '%s' b", "k", "a 'k' b" },
		{ "%s%%%s", "k", "k%k" },
		{ "%u-%d", "u@d.test", "u-d.test" },
		{ "%U-%D-%S", "u@d.test", "u-d.test-u@d.test" },
		{ "%u", "u", "u" },
		{ "%d", "u", NULL },
		{ "%u", "@d", NULL },
		{ "%d", "u@", NULL },
		{ "%u|%d", "a@b@c", "a@b|c" },
		{ "%1,%2,%3", "u@a.b.c", "c,b,a" },
		{ "%4", "u@a.b.c", NULL },
		{ "%1", "a.b", NULL },
		{ "%2", "u@.b", NULL },
		{ "%1", "u@a.", NULL },
		{ "'%s'", "o'x", "'o''x'" },
		{ "'%u'", "o'x@d", "'o''x'" },
		{ "fixed", "k", "fixed" },
		{ "%s", "", NULL },
	};
	char text[256];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum format_result r;

		print_row(span_str(rows[i].format));
		buf_init(&b, text, sizeof(text));
		r = format_query(rows[i].format, guarded(span_str(rows[i].key)),
		    double_quotes, NULL, &b);
		assert_int_equal(r,
		    rows[i].result ? FORMAT_PUT : FORMAT_SKIPPED);
		if (rows[i].result)
			assert_span(buf_span(&b), span_str(rows[i].result));
		else
			assert_int_equal(b.n, 0);
	}
	buf_init(&b, text, sizeof(text));
	assert_int_equal(format_query("%s", SPAN("!"), double_quotes, NULL, &b),
	    FORMAT_FAILED);
	buf_init(&b, text, 3);
	assert_int_equal(format_query("%s", SPAN("long"), NULL, NULL, &b),
	    FORMAT_FAILED);
}

static void
values_are_formatted_and_joined(void **state)
{
	static const struct {
		const char *format, *value, *key, *result;
	} rows[] = {
		{ "%s", "v", "k", "before,v" },
		{ "%u at %d of %S", "a@b", "k", "before,a at b of k" },
		{ "[%d]", "v", "k", "before" },
		{ "%s", "", "k", "before" },
		{ "%U", "v", "u@d", "before,u" },
		{ "%D", "v", "k", "before" },
		{ "%1", "v@x.y", "u@a.b", "before,b" },
	};
	char text[256];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].format));
		buf_init(&b, text, sizeof(text));
		buf_put(&b, SPAN("before"));
		(void)!format_value(rows[i].format, span_str(rows[i].value),
		    span_str(rows[i].key), &b);
		assert_span(buf_span(&b), span_str(rows[i].result));
	}
}

static void
what_follows_a_percent_is_checked(void **state)
{
	static const char *const bad[] = { "%", "%x", "%0", "a%%%", "%\x80" };
	struct why why;

	(void)state;
	assert_int_equal(format_check("%% %s %u %d %S %U %D %1 %9", &why), 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_true(format_check(bad[i], &why) < 0);
}

static void
nothing_in_a_key_means_anything_to_ldap(void **state)
{
	static const struct {
		struct span key;
		const char *filter, *name;
	} rows[] = {
		{ SPAN_INIT("a@b.c"), "a@b.c", "a@b.c" },
		{ SPAN_INIT("*()\\"), "\\2a\\28\\29\\5c", "*()\\5c" },
		{ SPAN_INIT("\0"), "\\00", "\\00" },
		{ SPAN_INIT(" #,+\"<>;=\n"), " #,+\"<>;=\n",
		    "\\20\\23\\2c\\2b\\22\\3c\\3e\\3b\\3d\\0a" },
		{ SPAN_INIT("\xc3\xbc"), "\xc3\xbc", "\xc3\xbc" },
	};
	char text[256];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&b, text, sizeof(text));
		assert_true(ldap_quote_filter(guarded(rows[i].key), &b, NULL));
		assert_span(buf_span(&b), span_str(rows[i].filter));
		buf_init(&b, text, sizeof(text));
		assert_true(ldap_quote_name(guarded(rows[i].key), &b, NULL));
		assert_span(buf_span(&b), span_str(rows[i].name));
	}
}

static void
utf8_is_known_by_its_bytes(void **state)
{
	static const struct span good[] = { SPAN_INIT(""), SPAN_INIT("a"),
		SPAN_INIT("\xc3\xbc"), SPAN_INIT("\xe2\x82\xac"),
		SPAN_INIT("\xf0\x9f\x93\xa7"), SPAN_INIT("\xf4\x8f\xbf\xbf"),
		SPAN_INIT("\xed\x9f\xbf"), SPAN_INIT("\xee\x80\x80") };
	static const struct span bad[] = { SPAN_INIT("\x80"), SPAN_INIT("\xff"),
		SPAN_INIT("\xc0\x80"), SPAN_INIT("\xc1\xbf"),
		SPAN_INIT("\xe0\x80\x80"), SPAN_INIT("\xed\xa0\x80"),
		SPAN_INIT("\xf0\x80\x80\x80"), SPAN_INIT("\xf4\x90\x80\x80"),
		SPAN_INIT("\xe2\x82"), SPAN_INIT("a\xc3"),
		SPAN_INIT("\xc3\x28") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(utf8_is_valid(guarded(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(utf8_is_valid(guarded(bad[i])));
}

static void
servers_say_yes_no_or_cannot(void **state)
{
	static const struct {
		const char *text;
		enum reply reply;
		const char *rest;
	} rows[] = {
		{ "OK v w", REPLY_FOUND, "v w" },
		{ "OK ", REPLY_FOUND, "" },
		{ "NOTFOUND ", REPLY_ABSENT, "" },
		{ "TEMP later", REPLY_FAILED, "later" },
		{ "TIMEOUT x", REPLY_FAILED, "x" },
		{ "PERM x", REPLY_FAILED, "x" },
		{ "ok v", REPLY_GARBLED, "v" },
		{ "", REPLY_GARBLED, "" },
	};
	struct span text;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].text));
		assert_int_equal(reply_socketmap(guarded(
						     span_str(rows[i].text)),
				     &text),
		    rows[i].reply);
		assert_span(text, span_str(rows[i].rest));
	}
}

static void
lines_of_tcp_are_decoded(void **state)
{
	static const struct {
		const char *line;
		enum reply reply;
		const char *text;
	} rows[] = {
		{ "200 a%20b%25", REPLY_FOUND, "a b%" },
		{ "500 no", REPLY_ABSENT, "no" },
		{ "400 %0a%0D", REPLY_FAILED, "\n\r" },
		{ "200", REPLY_GARBLED, "" },
		{ "200 %", REPLY_GARBLED, NULL },
		{ "200 %4", REPLY_GARBLED, NULL },
		{ "200 %4g", REPLY_GARBLED, NULL },
		{ "201 x", REPLY_GARBLED, NULL },
	};
	char storage[64];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].line));
		buf_init(&b, storage, sizeof(storage));
		assert_int_equal(reply_tcp(guarded(span_str(rows[i].line)), &b),
		    rows[i].reply);
		if (rows[i].text)
			assert_span(buf_span(&b), span_str(rows[i].text));
	}
	buf_init(&b, storage, sizeof(storage));
	ask_tcp(&b, SPAN("a b%\n\xff"));
	assert_span(buf_span(&b), SPAN("get a%20b%25%0A%FF\n"));
	buf_init(&b, storage, sizeof(storage));
	ask_socketmap(&b, SPAN("map"), SPAN("k e"));
	assert_span(buf_span(&b), SPAN("7:map k e,"));
}

static void
lines_of_memcached_are_about_our_key(void **state)
{
	static const struct {
		const char *line;
		enum reply reply;
		uint64_t n;
	} rows[] = {
		{ "VALUE k 0 5", REPLY_FOUND, 5 },
		{ "VALUE k 4294967295 100", REPLY_FOUND, 100 },
		{ "VALUE k 0 101", REPLY_GARBLED, 0 },
		{ "VALUE x 0 5", REPLY_GARBLED, 0 },
		{ "VALUE k 0", REPLY_GARBLED, 0 },
		{ "VALUE k 0 5 9", REPLY_GARBLED, 0 },
		{ "VALUE k 0 -5", REPLY_GARBLED, 0 },
		{ "END", REPLY_ABSENT, 0 },
		{ "ERROR", REPLY_GARBLED, 0 },
		{ "SERVER_ERROR out of memory", REPLY_FAILED, 0 },
	};
	char long_key[252];

	(void)state;
	memset(long_key, 'x', sizeof(long_key));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t n = 0;

		print_row(span_str(rows[i].line));
		assert_int_equal(reply_memcache(guarded(span_str(rows[i].line)),
				     SPAN("k"), 100, &n),
		    rows[i].reply);
		if (rows[i].reply == REPLY_FOUND)
			assert_int_equal(n, rows[i].n);
	}
	assert_true(memcache_has((struct span){ long_key, 250 }));
	assert_false(memcache_has((struct span){ long_key, 251 }));
	assert_false(memcache_has(SPAN("a b")) || memcache_has(SPAN("")) ||
	    memcache_has(SPAN("a\r\nset b")));
}

static struct config *
config_of(const char *text, struct why *why)
{
	const char *dir = temp_dir();
	struct config *c = config_open("pgsql", temp_file(dir, "t.cf", text),
	    why);

	temp_remove(dir, files);
	return c;
}

static void
a_file_is_read_as_it_is(void **state)
{
	struct why why;
	struct config *c =
	    config_of("# c\n a = no\nuser = u\npassword = $p #x \n"
		      "query = SELECT\n  1\nuser = v\nempty =\n"
		      "n = 7\nyes = YES\nbad = 1x\n",
		&why);
	int64_t n;
	bool b;

	(void)state;
	assert_non_null(c);
	assert_string_equal(config_get(c, "user"), "v");
	assert_string_equal(config_get(c, "password"), "$p #x");
	assert_string_equal(config_get(c, "query"), "SELECT  1");
	assert_string_equal(config_get(c, "empty"), "");
	assert_null(config_get(c, "none"));
	assert_string_equal(config_text(c, "none", "d"), "d");
	assert_true(config_number(c, "n", 1, 7, &n, &why) == 0 && n == 7);
	assert_true(config_number(c, "none", 3, 7, &n, &why) == 0 && n == 3);
	assert_true(config_number(c, "n", 1, 6, &n, &why) < 0);
	assert_true(config_number(c, "bad", 1, 60, &n, &why) < 0);
	assert_true(config_bool(c, "yes", false, &b, &why) == 0 && b);
	assert_true(config_bool(c, "n", false, &b, &why) < 0);
	config_drop(config_hold(c));
	config_drop(c);
	assert_null(config_of("no line\n", &why));
	assert_non_null(strstr(why.text, "t.cf:1:"));
}

/* Without a configuration that tells where it is, a module is not there. */
static void
a_type_that_is_not_installed_says_so(void **state)
{
	const char *dir = temp_dir();
	char name[300];
	struct why why;

	(void)state;
	snprintf(name, sizeof(name), "pgsql:%s",
	    temp_file(dir, "t.cf", "hosts = x\nquery = SELECT 1\n"));
	assert_null(dict_open(name, 0, &why));
	assert_non_null(strstr(why.text, "pgsql is not installed"));
	assert_non_null(strstr(why.text, "postrider-pgsql"));
	temp_remove(dir, files);
}

/* A stub, of which nothing is looked at before somebody asks. */
static enum dict_result
ask_other(const char *name, size_t parameter, size_t element, struct span key,
    struct arena *a, struct span *value_r, struct why *why)
{
	(void)name;
	(void)a, (void)why;
	*value_r = key;
	return parameter == 3 && element == 1 ? DICT_FOUND : DICT_ABSENT;
}

static void
a_daemon_opens_no_such_table_itself(void **state)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(65536);
	struct span value;
	struct why why;
	struct dict *d;
	struct lists *l;

	(void)state;
	dict_on_ask(ask_other);
	d = dict_open("pgsql:/no/such/file", 0, &why);
	assert_true(d && dict_is_remote(d) && dict_may_wait(d));
	dict_set_origin(d, 3, 1);
	assert_int_equal(dict_get(d, SPAN("k"), a, &value, &why), DICT_FOUND);
	dict_close(d);
	assert_null(dict_open("pgsql:/no/such/file", DICT_OWN, &why));
	/* The second element of a list, as proxymap counts. */
	l = lists_open("a.test, !mysql:/x b.test", LISTS_NAMES, &why);
	assert_true(l && lists_may_wait(l) && lists_set_origin(l, 3));
	assert_int_equal(lists_has_name(l, SPAN("b.test"), &why), DICT_ABSENT);
	lists_close(l);
	dict_on_ask(NULL);
	assert_true(dict_names_remote(SPAN("pgsql:x")));
	assert_false(dict_names_remote(SPAN("lmdb:x")));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_format_is_filled_in_or_suppressed),
		TEST(values_are_formatted_and_joined),
		TEST(what_follows_a_percent_is_checked),
		TEST(nothing_in_a_key_means_anything_to_ldap),
		TEST(utf8_is_known_by_its_bytes),
		TEST(servers_say_yes_no_or_cannot),
		TEST(lines_of_tcp_are_decoded),
		TEST(lines_of_memcached_are_about_our_key),
		TEST(a_file_is_read_as_it_is),
		TEST(a_type_that_is_not_installed_says_so),
		TEST(a_daemon_opens_no_such_table_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
