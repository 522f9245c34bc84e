#include "local/main/names.h"
#include "test.h"

static const struct names ann = {
	.user = SPAN_INIT("ann"),
	.home = SPAN_INIT("/home/ann"),
	.shell = SPAN_INIT("/bin/sh"),
	.recipient = SPAN_INIT("ann+x/../$home@here.test"),
	.extension = SPAN_INIT("x/../$home"),
	.domain = SPAN_INIT("here.test"),
	.local = SPAN_INIT("ann+x/../$home"),
	.delimiter = SPAN_INIT("+"),
};
static const struct names plain = {
	.user = SPAN_INIT("ben"),
	.home = SPAN_INIT("/home/ben"),
	.recipient = SPAN_INIT("ben@here.test"),
	.local = SPAN_INIT("ben"),
	.domain = SPAN_INIT("here.test"),
	.delimiter = SPAN_INIT("+"),
};
static const char filter[] = "abcdefghijklmnopqrstuvwxyz0123456789._-+@/";

static void
names_become_what_they_are(void **state)
{
	static const struct {
		const struct names *names;
		const char *text;
		const char *want; /* NULL: of no use */
	} rows[] = {
		{ &plain, "$home/.forward", "/home/ben/.forward" },
		{ &plain, "${home}/.f$(user)x", "/home/ben/.fbenx" },
		{ &plain, "$home/.forward${recipient_delimiter}${extension}",
		    NULL },
		{ &ann, "f${recipient_delimiter}${extension}", "f+x/../_home" },
		{ &ann, "a${extension?-${user}-}b", "a-ann-b" },
		{ &plain, "a${extension?-${user}-}b", "ab" },
		{ &plain, "a${extension:none$$}b", "anone$b" },
		{ &plain, "$local@other.$domain", "ben@other.here.test" },
		{ &plain, "$shell", NULL },
		{ &plain, "$nothing", NULL },
		{ &plain, "${user", NULL },
		{ &plain, "${user!x}", NULL },
		{ &plain, "$", NULL },
		{ &plain, "plain", "plain" },
		{ &plain, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(1 << 20);
		struct span text = span_str(rows[i].text), out;

		print_row(text);
		assert_int_equal(names_expand(guarded(text), rows[i].names,
				     filter, a, &out),
		    rows[i].want != NULL);
		if (rows[i].want)
			assert_span(out, span_str(rows[i].want));
		arena_free(a);
	}
}

static void
what_is_too_long_is_of_no_use(void **state)
{
	static char text[NAMES_TEXT_MAX];
	struct arena *a = arena_new(1 << 20);
	struct span out;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(names_expand((struct span){ text, sizeof(text) - 1 },
	    &plain, NULL, a, &out));
	assert_false(names_expand((struct span){ text, sizeof(text) }, &plain,
	    NULL, a, &out));
	for (size_t i = 0; i + 7 < 8 * 12; i += 8)
		memcpy(text + i, "${user?x", 8);
	memset(text + 8 * 12, '}', 12);
	assert_false(
	    names_expand((struct span){ text, 9 * 12 }, &plain, NULL, a, &out));
	arena_free(a);
}

static void
a_list_is_cut_between_its_items(void **state)
{
	struct span list = SPAN(" $home/a${b?c, d},/x /y, "), item;

	(void)state;
	assert_true(names_next(&list, &item));
	assert_span(item, SPAN("$home/a${b?c, d}"));
	assert_true(names_next(&list, &item));
	assert_span(item, SPAN("/x"));
	assert_true(names_next(&list, &item));
	assert_span(item, SPAN("/y"));
	assert_false(names_next(&list, &item));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_become_what_they_are),
		TEST(what_is_too_long_is_of_no_use),
		TEST(a_list_is_cut_between_its_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
