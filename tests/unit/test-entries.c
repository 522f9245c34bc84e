#include "service/entries.h"
#include "test.h"

static void
a_line_is_known_for_a_few_seconds(void **state)
{
	struct span line = { 0 };

	(void)state;
	assert_false(entries_find(SPAN("ann"), 100, &line));
	entries_put(SPAN("ann"), SPAN("ann:x:1:1::/:"), 100);
	assert_true(entries_find(SPAN("ann"), 100, &line));
	assert_span(line, SPAN("ann:x:1:1::/:"));
	assert_true(entries_find(SPAN("ann"), 100 + ENTRIES_MS - 1, &line));
	assert_false(entries_find(SPAN("ann"), 100 + ENTRIES_MS, &line));
	assert_false(entries_find(SPAN("anna"), 100, &line));
}

static void
the_last_word_counts(void **state)
{
	struct span line = { 0 };

	(void)state;
	entries_put(SPAN("ben"), SPAN("old"), 0);
	entries_put(SPAN("ben"), SPAN("new"), ENTRIES_MS);
	assert_true(entries_find(SPAN("ben"), ENTRIES_MS + 1, &line));
	assert_span(line, SPAN("new"));
	entries_put(SPAN("b@here"), SPAN(""), 0);
	assert_true(entries_find(SPAN("b@here"), 1, &line));
	assert_int_equal(line.n, 0);
}

static void
names_that_share_a_place_are_not_mixed_up(void **state)
{
	struct span line = { 0 };

	(void)state;
	for (int i = 0; i < 4 * ENTRIES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		entries_put(span_str(name), span_str(name), 0);
	}
	for (int i = 0; i < 4 * ENTRIES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		if (entries_find(span_str(name), 1, &line))
			assert_span(line, span_str(name));
	}
}

/* A message to a hundred asks for all of them once. */
static void
a_few_names_have_room_beside_each_other(void **state)
{
	struct span line = { 0 };
	size_t found = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		entries_put(span_str(name), span_str(name), 100 * ENTRIES_MS);
	}
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		found += entries_find(span_str(name), 100 * ENTRIES_MS, &line);
	}
	assert_true(found >= 98);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_is_known_for_a_few_seconds),
		TEST(the_last_word_counts),
		TEST(a_few_names_have_room_beside_each_other),
		TEST(names_that_share_a_place_are_not_mixed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
