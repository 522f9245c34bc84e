#include "store/uidfile.h"

#include "test.h"

static const char boot_a[] = "0123456789abcdef0123456789abcdef";
static const char boot_b[] = "fedcba9876543210fedcba9876543210";

enum {
	NOW = 1700000000
};

static struct uidfile
begin(void)
{
	struct uidfile f;

	uidfile_begin(&f, NOW, SPAN(""));
	return f;
}

static void
what_is_put_is_read(void **state)
{
	struct uidfile f = begin();
	struct uidfile got;
	char line[UIDFILE_LINE];
	bool sync;

	(void)state;
	assert_int_equal(uidfile_take(&f, boot_a, NOW, &sync), 1);
	uidfile_put(line, &f);
	struct span in = guarded((struct span){ line, sizeof(line) });
	assert_true(uidfile_read(in, &got));
	assert_int_equal(got.uidvalidity, NOW);
	assert_int_equal(got.next, 2);
	assert_int_equal(got.reserved, 1 + UIDFILE_BLOCK);
	assert_string_equal(got.boot, boot_a);
	assert_int_equal(line[UIDFILE_LINE - 1], '\n');
}

static void
damage_is_noticed(void **state)
{
	struct uidfile f = begin();
	char line[UIDFILE_LINE];

	(void)state;
	uidfile_put(line, &f);
	for (size_t n = 0; n < sizeof(line); n++)
		assert_false(
		    uidfile_read(guarded((struct span){ line, n }), &f));
	for (size_t bit = 0; bit < sizeof(line) * 8; bit++) {
		line[bit / 8] ^= (char)(1 << bit % 8);
		assert_false(
		    uidfile_read((struct span){ line, sizeof(line) }, &f));
		line[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void
a_block_is_reserved_by_one_sync(void **state)
{
	struct uidfile f = begin();
	unsigned syncs = 0;
	bool sync;

	(void)state;
	for (uint32_t i = 1; i <= 3 * UIDFILE_BLOCK; i++) {
		assert_int_equal(uidfile_take(&f, boot_a, NOW, &sync), i);
		assert_true(i < f.reserved);
		syncs += sync;
	}
	assert_int_equal(syncs, 3);
}

/* What was synced last is all that a crash of the machine leaves. */
static void
no_uid_comes_twice_after_a_crash(void **state)
{
	struct uidfile f = begin();
	struct uidfile durable = f;
	uint32_t last = 0;
	bool sync;

	(void)state;
	for (unsigned crash = 0; crash < 20; crash++) {
		for (unsigned i = 0; i < crash * 333; i++) {
			uint32_t uid = uidfile_take(&f,
			    crash & 1 ? boot_a : boot_b, NOW, &sync);

			assert_true(uid > last);
			last = uid;
			if (sync)
				durable = f;
		}
		f = durable;
	}
}

static void
a_damaged_line_begins_above_the_old(void **state)
{
	struct uidfile f = begin();
	struct uidfile next;
	char line[UIDFILE_LINE];

	(void)state;
	f.uidvalidity = NOW + 5;
	uidfile_put(line, &f);
	line[UIDFILE_LINE - 2] ^= 1;
	uidfile_begin(&next, NOW, (struct span){ line, sizeof(line) });
	assert_int_equal(next.uidvalidity, NOW + 6);
	uidfile_begin(&next, NOW + 60, (struct span){ line, sizeof(line) });
	assert_int_equal(next.uidvalidity, NOW + 60);
	uidfile_begin(&next, NOW, SPAN("nonsense"));
	assert_int_equal(next.uidvalidity, NOW);
}

static void
uids_never_run_over(void **state)
{
	struct uidfile f = begin();
	bool sync;

	(void)state;
	f.next = f.reserved = UINT32_MAX - UIDFILE_BLOCK;
	assert_int_equal(uidfile_take(&f, f.boot, NOW, &sync), 1);
	assert_true(sync);
	assert_true(f.uidvalidity > NOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_read),
		TEST(damage_is_noticed),
		TEST(a_block_is_reserved_by_one_sync),
		TEST(no_uid_comes_twice_after_a_crash),
		TEST(a_damaged_line_begins_above_the_old),
		TEST(uids_never_run_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
