#include "tests/unit/test.h"

#include "master/grants.h"

static const uint64_t secret[2] = { 3, 4 };
static char token[GRANTS_TOKEN] = "0123456789abcde";

static struct span
the_token(void)
{
	return (struct span){ token, sizeof(token) };
}

static void
begin_with_one(struct grants *g)
{
	const struct grant what = {
		.key = { .uid = 1000, .gid = 1000, .program = BROKER_IMAP },
		.front = 77,
		.user = SPAN("alice@demo.test"),
		.root = SPAN("/srv/mail"),
		.mailbox = SPAN("demo.test/alice/"),
		.fields = SPAN("uid=1000"),
	};
	struct why why;

	grants_init(g, secret);
	assert_true(grants_add(g, the_token(), &what, 1000, &why));
}

static void
a_token_is_good_once(void **state)
{
	struct grants g;
	struct grant *one;
	struct why why;

	(void)state;
	begin_with_one(&g);
	one = grants_take(&g, the_token(), BROKER_IMAP, 77, 1001, &why);
	assert_non_null(one);
	assert_span(one->user, SPAN("alice@demo.test"));
	assert_span(one->root, SPAN("/srv/mail"));
	assert_span(one->mailbox, SPAN("demo.test/alice/"));
	assert_span(one->fields, SPAN("uid=1000"));
	assert_int_equal(one->key.uid, 1000);
	grant_free(one);
	assert_null(grants_take(&g, the_token(), BROKER_IMAP, 77, 1001, &why));
	grants_fini(&g);
}

static void
a_token_is_good_for_ten_seconds(void **state)
{
	struct grants g;
	struct why why;

	(void)state;
	begin_with_one(&g);
	assert_null(grants_take(&g, the_token(), BROKER_IMAP, 77,
	    1000 + GRANTS_MS, &why));
	grants_fini(&g);
	begin_with_one(&g);
	grant_free(grants_take(&g, the_token(), BROKER_IMAP, 77,
	    999 + GRANTS_MS, &why));
	assert_int_equal(g.by_digest.n, 0);
	grants_fini(&g);
}

/* And who tries it has spent it. */
static void
a_token_is_for_one_process_and_service(void **state)
{
	struct grants g;
	struct why why;

	(void)state;
	begin_with_one(&g);
	assert_null(grants_take(&g, the_token(), BROKER_IMAP, 78, 1001, &why));
	assert_null(grants_take(&g, the_token(), BROKER_IMAP, 77, 1001, &why));
	grants_fini(&g);
	begin_with_one(&g);
	assert_null(grants_take(&g, the_token(), BROKER_POP3, 77, 1001, &why));
	assert_null(grants_take(&g, the_token(), BROKER_IMAP, 77, 1001, &why));
	grants_fini(&g);
}

static void
a_token_that_is_nearly_right_is_none(void **state)
{
	struct grants g;
	char other[GRANTS_TOKEN];
	struct why why;

	(void)state;
	begin_with_one(&g);
	for (size_t i = 0; i < sizeof(other); i++) {
		memcpy(other, token, sizeof(other));
		other[i] ^= 1;
		assert_null(
		    grants_take(&g, (struct span){ other, sizeof(other) },
			BROKER_IMAP, 77, 1001, &why));
	}
	assert_null(grants_take(&g, guarded((struct span){ token, 15 }),
	    BROKER_IMAP, 77, 1001, &why));
	assert_null(grants_take(&g, SPAN(""), BROKER_IMAP, 77, 1001, &why));
	grant_free(grants_take(&g, the_token(), BROKER_IMAP, 77, 1001, &why));
	assert_int_equal(g.by_digest.n, 0);
	grants_fini(&g);
}

static bool
add_numbered(struct grants *g, uint64_t n, int64_t now)
{
	const struct grant what = { .front = 1 };
	char bytes[GRANTS_TOKEN] = { 0 };
	struct why why;

	memcpy(bytes, &n, sizeof(n));
	return grants_add(g, (struct span){ bytes, sizeof(bytes) }, &what, now,
	    &why);
}

static void
there_is_a_bound_and_time_makes_room(void **state)
{
	struct grants g;

	(void)state;
	grants_init(&g, secret);
	for (uint64_t i = 0; i < GRANTS_MAX; i++)
		assert_true(add_numbered(&g, i, 0));
	assert_false(add_numbered(&g, GRANTS_MAX, 1));
	assert_true(add_numbered(&g, GRANTS_MAX, GRANTS_MS));
	assert_int_equal(g.by_digest.n, 1);
	assert_false(add_numbered(&g, GRANTS_MAX, GRANTS_MS));
	grants_fini(&g);
}

static void
what_cannot_be_is_not_granted(void **state)
{
	char *text = zalloc(GRANTS_BYTES + 1);
	const struct grant nobody = { .front = 0 };
	const struct grant fits = { .front = 1,
		.user = { text, GRANTS_BYTES } };
	const struct grant large = { .front = 1,
		.user = { text, GRANTS_BYTES + 1 } };
	struct grants g;
	struct why why;

	(void)state;
	grants_init(&g, secret);
	assert_false(grants_add(&g, the_token(), &nobody, 0, &why));
	assert_false(grants_add(&g, the_token(), &large, 0, &why));
	assert_false(grants_add(&g, SPAN("short"), &fits, 0, &why));
	assert_true(grants_add(&g, the_token(), &fits, 0, &why));
	grants_fini(&g);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_is_good_once),
		TEST(a_token_is_good_for_ten_seconds),
		TEST(a_token_is_for_one_process_and_service),
		TEST(a_token_that_is_nearly_right_is_none),
		TEST(there_is_a_bound_and_time_makes_room),
		TEST(what_cannot_be_is_not_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
