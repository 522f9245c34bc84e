#include "task/stack.h"

#include "test.h"

enum {
	PAGE = 4096
};

static void
what_lies_above_the_top_stays(void **state)
{
	char *stack = stack_new();
	char *top = stack + STACK_SIZE / 2 + 100;

	(void)state;
	assert_non_null(stack);
	memset(stack, 'x', STACK_SIZE);
	assert_int_equal(stack_used(stack), STACK_SIZE);
	stack_trim(stack, top);
	for (char *c = top; c < stack + STACK_SIZE; c++)
		assert_int_equal(*c, 'x');
	if (!UNDER_ASAN)
		assert_int_equal(stack_used(stack), STACK_SIZE / 2);
	stack_free(stack);
}

static void
a_stack_that_is_cold_comes_back_as_zeros(void **state)
{
	char *stack = stack_new();

	(void)state;
	assert_non_null(stack);
	memset(stack, 'x', STACK_SIZE);
	stack_free(stack);
	stacks_cool();

	char *again = stack_new();

	assert_ptr_equal(again, stack);
	for (size_t i = 0; i < STACK_SIZE; i += PAGE / 2)
		assert_int_equal(again[i], 0);
	stack_free(again);
}

static void
few_stacks_stay_warm(void **state)
{
	char *stacks[3 * STACKS_WARM];
	size_t warm = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(stacks); i++) {
		stacks[i] = stack_new();
		assert_non_null(stacks[i]);
		memset(stacks[i], 'x', STACK_SIZE);
	}
	for (size_t i = 0; i < COUNT_OF(stacks); i++)
		stack_free(stacks[i]);
	for (size_t i = 0; i < COUNT_OF(stacks); i++) {
		char *stack = stack_new();

		warm += stack[0] == 'x';
		assert_true(i < STACKS_WARM || stack[0] == 0);
		stacks[i] = stack;
	}
	assert_int_equal(warm, STACKS_WARM);
	for (size_t i = 0; i < COUNT_OF(stacks); i++)
		stack_free(stacks[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_lies_above_the_top_stays),
		TEST(a_stack_that_is_cold_comes_back_as_zeros),
		TEST(few_stacks_stay_warm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
