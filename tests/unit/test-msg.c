#include "service/msg.h"

#include "test.h"

static char storage[MSG_MAX];

static struct buf
begin(enum msg_type type)
{
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	msg_begin(&b, type, 7);
	return b;
}

static struct buf
make_hello(unsigned ids)
{
	struct buf b = begin(MSG_HELLO);

	msg_put_u64(&b, MSG_FIELD_PID, 1234);
	for (unsigned i = 0; i < ids; i++)
		msg_put_str(&b, MSG_FIELD_ID, SPAN("4F2"));
	assert_true(msg_end(&b, 0));
	return b;
}

static struct buf
make_result(void)
{
	struct buf b = begin(MSG_RESULT);

	msg_put_str(&b, MSG_FIELD_ID, SPAN("4F2"));
	msg_put_str(&b, MSG_FIELD_RELAY, SPAN("virtual"));
	msg_put_u64(&b, MSG_FIELD_TIME_BEGUN, 1);
	msg_put_u64(&b, MSG_FIELD_TIME_CONNECTED, 2);
	msg_put_u64(&b, MSG_FIELD_TIME_ENDED, 3);
	for (uint64_t i = 0; i < 2; i++) {
		size_t group = msg_group_begin(&b, MSG_FIELD_RCPT);

		msg_put_u64(&b, MSG_FIELD_N, i);
		msg_put_str(&b, MSG_FIELD_ADDR, SPAN("a@b"));
		msg_group_end(&b, group);
	}
	assert_true(msg_end(&b, 1));
	return b;
}

static void
what_is_put_is_read(void **state)
{
	struct buf b = make_result();
	struct msg_in in, group;
	uint64_t n = 0;

	(void)state;
	assert_true(msg_read(guarded(buf_span(&b)), &in));
	assert_int_equal(in.type, MSG_RESULT);
	assert_int_equal(in.id, 7);
	assert_int_equal(in.fds, 1);
	assert_span(msg_str(&in, MSG_FIELD_RELAY), SPAN("virtual"));
	assert_int_equal(msg_u64(&in, MSG_FIELD_TIME_ENDED), 3);
	assert_false(msg_has(&in, MSG_FIELD_DEAD_HOST));
	assert_span(msg_str(&in, MSG_FIELD_DEAD_HOST), SPAN(""));
	for (struct span rest = in.fields;
	     msg_next_group(&rest, MSG_FIELD_RCPT, &group); n++) {
		assert_int_equal(msg_u64(&group, MSG_FIELD_N), n);
		assert_span(msg_str(&group, MSG_FIELD_ADDR), SPAN("a@b"));
	}
	assert_int_equal(n, 2);
}

static void
what_is_cut_short_is_refused(void **state)
{
	struct buf b = make_result();
	struct msg_in in;

	(void)state;
	for (size_t n = 0; n < b.n; n++) {
		uint32_t len = (uint32_t)n;

		if (n >= MSG_HEAD)
			memcpy(b.p + 8, &len, sizeof(len));
		/* The cuts between two fields lack a required one. */
		if (n < b.n - 62)
			assert_false(
			    msg_read(guarded((struct span){ b.p, n }), &in));
	}
}

static void
what_the_table_does_not_allow_is_refused(void **state)
{
	struct buf b;
	struct msg_in in;

	(void)state;
	b = begin(MSG_NEW); /* without its ID */
	assert_true(msg_end(&b, 0));
	assert_false(msg_read(buf_span(&b), &in));

	b = begin(MSG_NEW); /* one field twice */
	msg_put_str(&b, MSG_FIELD_ID, SPAN("1"));
	msg_put_str(&b, MSG_FIELD_ID, SPAN("2"));
	assert_true(msg_end(&b, 0));
	assert_false(msg_read(buf_span(&b), &in));

	b = begin(MSG_SCAN); /* one that it has not */
	msg_put_str(&b, MSG_FIELD_ID, SPAN("1"));
	assert_true(msg_end(&b, 0));
	assert_false(msg_read(buf_span(&b), &in));

	b = make_hello(3); /* many are fine here */
	assert_true(msg_read(buf_span(&b), &in));
	b.p[0] = MSG_PROTOCOL + 1;
	assert_false(msg_read(buf_span(&b), &in));

	b = begin(MSG_GROUP_RCPT); /* a group alone */
	msg_put_u64(&b, MSG_FIELD_N, 1);
	msg_put_str(&b, MSG_FIELD_ADDR, SPAN("a"));
	assert_true(msg_end(&b, 0));
	assert_false(msg_read(buf_span(&b), &in));
}

static void
what_does_not_fit_is_told_once_at_the_end(void **state)
{
	char small[40];
	struct buf b;

	(void)state;
	buf_init(&b, small, sizeof(small));
	msg_begin(&b, MSG_NEW, 0);
	msg_put_str(&b, MSG_FIELD_ID, SPAN("a name that is far too long here"));
	msg_put_str(&b, MSG_FIELD_ID, SPAN("short"));
	assert_false(msg_end(&b, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_read),
		TEST(what_is_cut_short_is_refused),
		TEST(what_the_table_does_not_allow_is_refused),
		TEST(what_does_not_fit_is_told_once_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
