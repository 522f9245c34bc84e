#include "tests/unit/test.h"

#include "master/broker-core.h"

#include <unistd.h>

static const uint64_t secret[2] = { 1, 2 };

static bool
root_may(uint64_t uid, uint64_t gid, uint64_t slot)
{
	struct broker_key key = { .uid = uid, .gid = gid, .slot = slot };
	struct broker b;
	struct why why;
	bool may;

	broker_init(&b, 0, 500, secret);
	may = broker_may(&b, &key, &why);
	if (!may)
		assert_true(why.text[0] != '\0');
	hash_fini(&b.workers);
	return may;
}

static void
root_becomes_users_only(void **state)
{
	(void)state;
	assert_true(root_may(500, 500, 0));
	assert_true(root_may(UINT32_MAX - 1, 1, BROKER_SLOTS_MAX - 1));
	assert_false(root_may(0, 500, 0));
	assert_false(root_may(500, 0, 0));
	assert_false(root_may(499, 500, 0));
	assert_false(root_may(UINT32_MAX, 500, 0));
	assert_false(root_may(500, UINT32_MAX, 0));
	assert_false(root_may((UINT64_C(1) << 32) + 1000, 500, 0));
	assert_false(root_may(500, 500, BROKER_SLOTS_MAX));
}

static void
a_low_bound_does_not_let_root_in(void **state)
{
	struct broker_key key = { 0, 1, 0, 0, 0 };
	struct broker b;
	struct why why;

	(void)state;
	broker_init(&b, 0, 0, secret);
	assert_false(broker_may(&b, &key, &why));
	hash_fini(&b.workers);
}

static void
a_user_becomes_nobody_else(void **state)
{
	struct broker_key self = { 1000, 1000, 0, 0, 0 };
	struct broker_key other = { 1001, 1000, 0, 0, 0 };
	struct broker b;
	struct why why;

	(void)state;
	broker_init(&b, 1000, 500, secret);
	assert_true(broker_may(&b, &self, &why));
	assert_false(broker_may(&b, &other, &why));
	hash_fini(&b.workers);
}

static void
workers_are_found_by_all_of_their_key(void **state)
{
	struct broker_worker w[] = {
		{ .key = { 500, 500, 0, 0, 0 } },
		{ .key = { 500, 500, 1, 0, 0 } },
		{ .key = { 501, 500, 0, 0, 0 } },
		{ .key = { 500, 501, 0, 0, 0 } },
	};
	struct broker_key absent = { 502, 500, 0, 0, 0 };
	struct broker_worker *each = NULL;
	struct broker b;
	size_t n = 0;

	(void)state;
	broker_init(&b, 0, 500, secret);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		broker_add(&b, &w[i]);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_ptr_equal(broker_pick(&b, &w[i].key), &w[i]);
	assert_null(broker_pick(&b, &absent));
	while ((each = broker_next(&b, each)))
		n++;
	assert_int_equal(n, COUNT_OF(w));
	broker_remove(&b, &w[1]);
	assert_null(broker_pick(&b, &w[1].key));
	assert_ptr_equal(broker_pick(&b, &w[0].key), &w[0]);
	hash_fini(&b.workers);
}

static void
there_is_a_bound_for_new_workers(void **state)
{
	struct broker_worker *w = zalloc(BROKER_WORKERS_MAX * sizeof(*w));
	struct broker_key next = { .uid = 500 + BROKER_WORKERS_MAX,
		.gid = 500 };
	struct broker b;
	struct why why;

	(void)state;
	broker_init(&b, 0, 500, secret);
	for (unsigned i = 0; i < BROKER_WORKERS_MAX; i++) {
		w[i].key = (struct broker_key){ .uid = 500 + i, .gid = 500 };
		assert_true(broker_may(&b, &w[i].key, &why));
		broker_add(&b, &w[i]);
	}
	assert_false(broker_may(&b, &next, &why));
	assert_true(broker_may(&b, &w[7].key, &why));
	hash_fini(&b.workers);
	free(w);
}

static void
a_user_has_always_the_same_slot(void **state)
{
	bool seen[4] = { false };
	struct broker b;
	char name[32];

	(void)state;
	broker_init(&b, 0, 500, secret);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user%u@demo.test", i);

		uint64_t slot = broker_slot(&b, span_str(name), 4);

		assert_true(slot < 4);
		assert_int_equal(slot, broker_slot(&b, span_str(name), 4));
		seen[slot] = true;
	}
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		assert_true(seen[i]);
	assert_int_not_equal(broker_slot(&b, SPAN("alice"), 0),
	    broker_slot(&b, SPAN("bob"), 0));
	hash_fini(&b.workers);
}

static void
services_have_programs_and_none_is_deliver(void **state)
{
	enum broker_program p;

	(void)state;
	assert_true(broker_program(SPAN("imap"), &p) && p == BROKER_IMAP);
	assert_true(broker_program(SPAN("pop3"), &p) && p == BROKER_POP3);
	assert_false(broker_program(SPAN("deliver"), &p));
	assert_false(broker_program(SPAN("imapd"), &p));
	assert_false(broker_program(SPAN(""), &p));
	assert_string_equal(broker_program_name(BROKER_DELIVER), "deliver");
}

/* A slot of sessions is a number of any size; a root keeps workers apart. */
static void
sessions_have_keys_of_their_own(void **state)
{
	struct broker_worker w[] = {
		{ .key = { 500, 500, UINT64_MAX, BROKER_IMAP, 1 } },
		{ .key = { 500, 500, UINT64_MAX, BROKER_POP3, 1 } },
		{ .key = { 500, 500, UINT64_MAX, BROKER_IMAP, 2 } },
	};
	struct broker_key none = { 500, 500, 0, BROKER_PROGRAMS, 0 };
	struct broker b;
	struct why why;

	(void)state;
	broker_init(&b, 0, 500, secret);
	for (size_t i = 0; i < COUNT_OF(w); i++) {
		assert_true(broker_may(&b, &w[i].key, &why));
		broker_add(&b, &w[i]);
	}
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_ptr_equal(broker_pick(&b, &w[i].key), &w[i]);
	assert_false(broker_may(&b, &none, &why));
	assert_int_not_equal(broker_root(&b, SPAN("/a")),
	    broker_root(&b, SPAN("/b")));
	hash_fini(&b.workers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(root_becomes_users_only),
		TEST(a_low_bound_does_not_let_root_in),
		TEST(a_user_becomes_nobody_else),
		TEST(workers_are_found_by_all_of_their_key),
		TEST(there_is_a_bound_for_new_workers),
		TEST(a_user_has_always_the_same_slot),
		TEST(services_have_programs_and_none_is_deliver),
		TEST(sessions_have_keys_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
