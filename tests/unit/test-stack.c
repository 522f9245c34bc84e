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
a_stack_comes_back_as_zeros(void **state)
{
	char *stack = stack_new();

	(void)state;
	assert_non_null(stack);
	memset(stack, 'x', STACK_SIZE);
	stack_free(stack);

	char *again = stack_new();

	assert_ptr_equal(again, stack);
	for (size_t i = 0; i < STACK_SIZE; i += PAGE / 2)
		assert_int_equal(again[i], 0);
	stack_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_lies_above_the_top_stays),
		TEST(a_stack_comes_back_as_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
