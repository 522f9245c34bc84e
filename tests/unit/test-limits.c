#include "tests/unit/test.h"

#include "service/limits.h"

static int fd = -1;

static int
make_table(void **state)
{
	(void)state;
	fd = limits_create();
	return fd < 0;
}

static int
drop_table(void **state)
{
	(void)state;
	return close(fd);
}

static struct span
key_of(unsigned i, char bytes[16])
{
	int n = snprintf(bytes, 16, "k%u", i);

	return (struct span){ bytes, (size_t)n };
}

static void
a_limit_holds_for_one_worker(void **state)
{
	struct limits *l = limits_attach(fd, 3);

	(void)state;
	assert_true(limits_take(l, SPAN("192.0.2.1"), 2));
	assert_true(limits_take(l, SPAN("192.0.2.1"), 2));
	assert_false(limits_take(l, SPAN("192.0.2.1"), 2));
	assert_true(limits_take(l, SPAN("192.0.2.2"), 2));
	limits_give(l, SPAN("192.0.2.1"));
	assert_int_equal(limits_count(l, SPAN("192.0.2.1")), 1);
	assert_true(limits_take(l, SPAN("192.0.2.1"), 2));
	assert_int_equal(limits_column_count(l, 3), 0);
	limits_detach(l);
}

static void
the_empty_key_is_the_service(void **state)
{
	struct limits *l = limits_attach(fd, 1);

	(void)state;
	assert_true(limits_take(l, SPAN(""), 1));
	assert_false(limits_take(l, SPAN(""), 1));
	assert_true(limits_take(l, SPAN(""), 0));
	assert_int_equal(limits_column_count(l, 1), 2);
	assert_int_equal(limits_count(l, SPAN("")), 2);
	limits_detach(l);
}

static void
nothing_goes_below_zero(void **state)
{
	struct limits *l = limits_attach(fd, 0);

	(void)state;
	limits_give(l, SPAN("never"));
	assert_true(limits_take(l, SPAN("never"), 1));
	assert_false(limits_take(l, SPAN("never"), 1));
	limits_detach(l);
}

/* A child that dies with what it has counted; its column is then cleared. */
static void
the_dead_leave_nothing(void **state)
{
	struct limits *l = limits_attach(fd, 0);
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		struct limits *own = limits_attach(fd, 1);
		bool ok = limits_take(own, SPAN("a"), 3) &&
		    limits_take(own, SPAN("a"), 3) &&
		    limits_take(own, SPAN(""), 3);

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(limits_take(l, SPAN("a"), 3));
	assert_false(limits_take(l, SPAN("a"), 3));
	assert_int_equal(limits_column_count(l, 1), 1);
	limits_clear_column(l, 1);
	assert_int_equal(limits_column_count(l, 1), 0);
	assert_int_equal(limits_count(l, SPAN("a")), 1);
	limits_detach(l);
}

/* Idle rows are taken over: many more keys than rows, one after the other. */
static void
idle_rows_are_used_again(void **state)
{
	struct limits *l = limits_attach(fd, 0);
	char bytes[16];

	(void)state;
	for (unsigned i = 0; i < 10 * LIMITS_ROWS; i++) {
		struct span key = key_of(i, bytes);

		assert_true(limits_take(l, key, 1));
		assert_false(limits_take(l, key, 1));
		limits_give(l, key);
	}
	limits_detach(l);
}

static void
a_full_table_limits_nothing(void **state)
{
	struct limits *l = limits_attach(fd, 0);
	char bytes[16];

	(void)state;
	for (unsigned i = 0; i < 2 * LIMITS_ROWS; i++)
		assert_true(limits_take(l, key_of(i, bytes), 1));
	for (unsigned i = 0; i < 2 * LIMITS_ROWS; i++)
		limits_give(l, key_of(i, bytes));
	for (unsigned i = 0; i < 2 * LIMITS_ROWS; i++)
		assert_int_equal(limits_count(l, key_of(i, bytes)), 0);
	limits_detach(l);
}

/* Four processes take and give few keys; what is left is nothing. */
static void
processes_do_not_lose_counts(void **state)
{
	struct limits *l = limits_attach(fd, 0);
	char bytes[16];

	(void)state;
	for (unsigned p = 1; p <= 4; p++)
		if (fork() == 0) {
			struct limits *own = limits_attach(fd, p);

			for (unsigned i = 0; i < 200000; i++) {
				struct span key = key_of(i * p % 300, bytes);

				if (limits_take(own, key, 2))
					limits_give(own, key);
			}
			_exit(0);
		}
	for (unsigned p = 1; p <= 4; p++)
		assert_true(wait(NULL) > 0);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(limits_count(l, key_of(i, bytes)), 0);
	limits_detach(l);
}

static void
what_is_no_table_is_refused(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_null(limits_attach(fds[0], 0));
	assert_null(limits_attach(-1, 0));
	assert_null(limits_attach(fd, LIMITS_COLUMNS));
	close(fds[0]);
	close(fds[1]);
}

#define TABLE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, make_table, drop_table)

static void
counters_only_grow_whoever_dies(void **state)
{
	int table = limits_create();
	struct limits *one = limits_attach(table, 0);
	struct limits *two = limits_attach(table, 1);

	(void)state;
	assert_non_null(one);
	assert_non_null(two);
	limits_count_up(one, 3, 2);
	limits_count_up(two, 3, 5);
	assert_int_equal(limits_counter(one, 3), 7);
	assert_int_equal(limits_counter(one, 4), 0);
	limits_clear_column(one, 1);
	assert_int_equal(limits_counter(one, 3), 7);
	limits_detach(one);
	limits_detach(two);
	close(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(a_limit_holds_for_one_worker),
		TABLE_TEST(the_empty_key_is_the_service),
		TABLE_TEST(nothing_goes_below_zero),
		TABLE_TEST(the_dead_leave_nothing),
		TABLE_TEST(idle_rows_are_used_again),
		TABLE_TEST(a_full_table_limits_nothing),
		TABLE_TEST(processes_do_not_lose_counts),
		TABLE_TEST(what_is_no_table_is_refused),
		TEST(counters_only_grow_whoever_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
