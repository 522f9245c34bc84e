#include "test.h"

#include "store/uidset.h"

#include <stdlib.h>

static void
sets_are_read_and_written(void **state)
{
	static const struct {
		struct span in;
		uint32_t star;
		const char *out; /* NULL: no set */
		const char *rest;
	} rows[] = {
		{ SPAN_INIT("1"), 9, "1", "" },
		{ SPAN_INIT("4294967295"), 9, "4294967295", "" },
		{ SPAN_INIT("5:3 x"), 9, "3:5", " x" },
		{ SPAN_INIT("1,2,3:4,6"), 9, "1:4,6", "" },
		{ SPAN_INIT("6,1:2,4,3"), 9, "1:4,6", "" },
		{ SPAN_INIT("*"), 9, "9", "" },
		{ SPAN_INIT("*:7"), 9, "7:9", "" },
		{ SPAN_INIT("12:*"), 9, "9:12", "" },
		{ SPAN_INIT("1:*"), 0, "", "" },
		{ SPAN_INIT("2,*"), 0, "2", "" },
		{ SPAN_INIT("4294967294:4294967295,1"), 9,
		    "1,4294967294:4294967295", "" },
		{ SPAN_INIT("0"), 9, NULL, "0" },
		{ SPAN_INIT("4294967296"), 9, NULL, "4294967296" },
		{ SPAN_INIT(""), 9, NULL, "" },
		{ SPAN_INIT("1,"), 9, NULL, "1," },
		{ SPAN_INIT("1:"), 9, NULL, "1:" },
		{ SPAN_INIT(",1"), 9, NULL, ",1" },
		{ SPAN_INIT("-1"), 9, NULL, "-1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span in = guarded(rows[i].in);
		struct uidset s;
		char text[256];
		struct buf b;
		bool ok = uidset_take(&in, rows[i].star, &s);

		assert_int_equal(ok, rows[i].out != NULL);
		assert_span(in,
		    ((struct span){ rows[i].rest, strlen(rows[i].rest) }));
		buf_init(&b, text, sizeof(text));
		uidset_put(&b, &s);
		if (ok)
			assert_span(buf_span(&b),
			    ((struct span){ rows[i].out,
				strlen(rows[i].out) }));
		uidset_fini(&s);
	}
}

enum {
	NUMBERS = 200,
};

static void
a_set_does_what_a_table_does(void **state)
{
	struct uidset s = { 0 };
	bool model[NUMBERS + 2] = { false };
	unsigned seed = 1;

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * 1103515245 + 12345;
		uint32_t a = 1 + (seed >> 8) % NUMBERS;
		uint32_t b = 1 + (seed >> 16) % NUMBERS;
		if (seed >> 30 == 0) {
			uidset_add(&s, a, b);
			for (uint32_t n = a < b ? a : b; n <= a || n <= b; n++)
				model[n] = true;
		} else {
			uidset_remove(&s, a);
			model[a] = false;
			uidset_remove(&s, b);
			model[b] = false;
		}
		if (step % 50)
			continue;
		uint64_t count = 0;
		uint32_t next = 0;
		for (uint32_t n = NUMBERS; n >= 1; n--) {
			if (model[n])
				next = n;
			count += model[n];
			assert_int_equal(uidset_has(&s, n), model[n]);
			assert_int_equal(uidset_next(&s, n), next);
		}
		assert_int_equal(uidset_count(&s), count);
		for (size_t i = 1; i < s.n; i++)
			assert_true(
			    s.ranges[i].first > s.ranges[i - 1].last + 1);
	}
	uidset_fini(&s);
}

static void
sets_have_a_bound(void **state)
{
	size_t max = UIDSET_RANGES_MAX * 8;
	char *text = malloc(max);
	size_t n = 0, ranges = 0;
	struct uidset s;

	(void)state;
	for (; ranges < UIDSET_RANGES_MAX; ranges++)
		n += (size_t)snprintf(text + n, max - n, "%s%zu",
		    ranges ? "," : "", 2 * ranges + 2);
	struct span in = { text, n };
	assert_true(uidset_take(&in, 1, &s));
	assert_int_equal(s.n, UIDSET_RANGES_MAX);
	uidset_fini(&s);
	n += (size_t)snprintf(text + n, max - n, ",%zu", 2 * ranges + 2);
	in = (struct span){ text, n };
	assert_false(uidset_take(&in, 1, &s));
	assert_int_equal(s.n, 0);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_read_and_written),
		cmocka_unit_test(a_set_does_what_a_table_does),
		cmocka_unit_test(sets_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
