/*
 * Numbers, times and sizes have Postfix's bounds: tests/data/bounds, which
 * tests/peer/bounds compares with its programs.
 */
#include "tests/unit/conf.h"

#include "base/scan.h"
#include "conf/conf.h"
#include "conf/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *dir;

struct row {
	char name[80];
	bool is_time;
	bool has_min, has_max;
	int64_t min, max;
};

static bool
take_bound(struct span *line, int64_t *bound_r)
{
	struct span word;
	bool minus;
	uint64_t n = 0;

	take_blanks(line);
	assert_true(take_word(line, &word));
	if (span_eq(word, SPAN("-")))
		return false;
	minus = take_char(&word, '-');
	assert_true(take_number(&word, INT64_MAX, &n));
	*bound_r = minus ? -(int64_t)n : (int64_t)n;
	return true;
}

static struct row
parse_row(struct span line)
{
	struct row r = { .is_time = false };
	struct span name, type;

	assert_true(take_word(&line, &name));
	take_blanks(&line);
	assert_true(take_word(&line, &type));
	snprintf(r.name, sizeof(r.name), "%.*s", (int)name.n, name.p);
	r.is_time = span_eq(type, SPAN("TIME"));
	r.has_min = take_bound(&line, &r.min);
	r.has_max = take_bound(&line, &r.max);
	return r;
}

/* Whether it is taken; what is refused is refused with its place and bounds. */
static bool
takes(const struct row *r, int64_t value)
{
	struct why why = { .text = "" };
	char line[160], place[160];
	struct conf *c;
	int error;

	snprintf(line, sizeof(line), "\n%s = %" PRId64 "%s\n", r->name, value,
	    r->is_time ? "s" : "");
	snprintf(place, sizeof(place), "main.cf:2: %s: ", r->name);
	(void)temp_file(dir, "main.cf", line);
	c = conf_load(dir, NULL, 0, &why);
	assert_non_null(c);
	error = conf_check(c, &why);
	if (error) {
		assert_int_equal(error, -EINVAL);
		assert_ptr_equal(strstr(why.text, place), why.text);
		assert_non_null(strstr(why.text, "allowed is "));
	}
	conf_free(c);
	return !error;
}

static void
bounds_are_those_of_postfix(void **state)
{
	struct lines lines;
	struct span line;
	struct why why;
	unsigned number, rows = 0;
	char *text;

	(void)state;
	dir = temp_dir();
	assert_int_equal(lines_read(TEST_DATA "/bounds", &lines, &text, &why),
	    0);
	while (lines_next(&lines, &line, &number)) {
		struct row r = parse_row(line);
		bool right = (!r.has_min ||
				 (takes(&r, r.min) && !takes(&r, r.min - 1))) &&
		    (!r.has_max || (takes(&r, r.max) && !takes(&r, r.max + 1)));

		if (!right)
			print_error("bounds:%u: %s\n", number, r.name);
		assert_true(right);
		rows++;
	}
	assert_true(rows > 200);
	free(text);
	temp_remove(dir, (const char *const[]){ "main.cf", NULL });
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bounds_are_those_of_postfix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
