#include "tests/unit/test.h"

#include "base/pages.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
	MANY = 3000,
	PAGE = 4096,
};

static struct {
	unsigned char *p;
	size_t n;
} taken[MANY];

static uint32_t seed = 1;

static uint32_t
random_below(uint32_t max)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % max;
}

static void
take(size_t i)
{
	static const size_t sizes[] = { 1, 512, 2048, 4096, 4097, 16384,
		PAGES_MAX, PAGES_MAX + 1 };

	taken[i].n = sizes[random_below(COUNT_OF(sizes))];
	taken[i].p = pages_take(taken[i].n);
	memset(taken[i].p, (int)(i & 0xff), taken[i].n);
}

static void
give(size_t i)
{
	for (size_t at = 0; at < taken[i].n; at++)
		assert_int_equal(taken[i].p[at], i & 0xff);
	pages_give(taken[i].p, taken[i].n);
	taken[i].p = NULL;
}

/* Whoever was given the same twice would find another's bytes. */
static void
nobody_has_the_pages_of_another(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * MANY; i++) {
		size_t at = random_below(MANY);

		if (taken[at].p)
			give(at);
		else
			take(at);
		if (i % 1000 == 0)
			pages_cool();
	}
	for (size_t i = 0; i < MANY; i++)
		if (taken[i].p)
			give(i);
	pages_cool();
}

static bool
is_in_memory(void *p)
{
	unsigned char resident = 0;

	must(mincore(p, PAGE, &resident) == 0);
	return resident & 1;
}

static void
what_is_free_holds_memory_until_it_is_cooled(void **state)
{
	char *stays = pages_take(PAGE);
	char *goes = pages_take(PAGE);

	(void)state;
	memset(stays, 1, PAGE);
	memset(goes, 1, PAGE);
	pages_give(goes, PAGE);
	assert_true(is_in_memory(goes));
	pages_cool();
	assert_false(is_in_memory(goes));
	assert_true(is_in_memory(stays));
	assert_int_equal(stays[PAGE - 1], 1);
	pages_give(stays, PAGE);
	pages_cool();
}

/* A session that comes back at once gets what is still in the processor's cache. */
static void
a_warm_page_is_taken_before_a_new_one(void **state)
{
	char *first = pages_take(PAGE);
	char *second = pages_take(PAGE);

	(void)state;
	first[0] = 1;
	pages_give(first, PAGE);
	assert_ptr_equal(pages_take(PAGE), first);
	pages_give(first, PAGE);
	pages_give(second, PAGE);
	pages_cool();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_has_the_pages_of_another),
		TEST(what_is_free_holds_memory_until_it_is_cooled),
		TEST(a_warm_page_is_taken_before_a_new_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
