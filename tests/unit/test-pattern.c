#include "imapd/mailbox/pattern.h"

#include "test.h"

static void
a_pattern_means_these_names(void **state)
{
	static const struct {
		const char *pattern;
		const char *name;
		bool fits;
	} rows[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "a", true },
		{ "a", "A", false },
		{ "a", "ab", false },
		{ "ab", "a", false },
		{ "*", "", true },
		{ "*", "a.b.c", true },
		{ "%", "", true },
		{ "%", "abc", true },
		{ "%", "a.b", false },
		{ "%.%", "a.b", true },
		{ "%.%", "a.b.c", false },
		{ "*%", "a.b.c", true },
		{ "%*", "a.b.c", true },
		{ "a%c", "ac", true },
		{ "a%c", "abbc", true },
		{ "a%c", "ab.c", false },
		{ "a*c", "ab.c", true },
		{ "*b*b*", "abcab", true },
		{ "*b*b*", "abca", false },
		{ "inbox", "INBOX", true },
		{ "InB%", "inbox", true },
		{ "inbox.%", "INBOX.a", false },
		{ "*************a", "bbbbbbbbbbbbbbbbbbbbbbbb", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].pattern));
		assert_int_equal(pattern_fits(span_str(rows[i].pattern),
				     guarded(span_str(rows[i].name))),
		    rows[i].fits);
	}
}

static void
what_is_too_long_fits_nothing(void **state)
{
	static char stars[PATTERN_MAX + 1], name[PATTERN_NAME_MAX + 1];

	(void)state;
	memset(stars, '*', sizeof(stars));
	memset(name, 'a', sizeof(name));
	assert_true(pattern_fits((struct span){ stars, PATTERN_MAX },
	    (struct span){ name, PATTERN_NAME_MAX }));
	assert_false(
	    pattern_fits((struct span){ stars, PATTERN_MAX + 1 }, SPAN("a")));
	assert_false(pattern_fits(SPAN("*"),
	    (struct span){ name, PATTERN_NAME_MAX + 1 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pattern_means_these_names),
		TEST(what_is_too_long_fits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
