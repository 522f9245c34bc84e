#include "queue/record.h"

#include "test.h"

static char storage[4096];

static const struct queue_envelope envelope = {
	.arrived = 1700000000123456,
	.sender = SPAN_INIT("a@example.org"),
	.envid = SPAN_INIT("QQ1"),
	.ret = 1,
	.flags = QUEUE_8BIT,
	.client_name = SPAN_INIT("unknown"),
	.client_addr = SPAN_INIT("192.0.2.1"),
	.client_port = SPAN_INIT("4711"),
	.proto = SPAN_INIT("ESMTP"),
	.helo = SPAN_INIT("client.example"),
	.sasl_method = SPAN_INIT("PLAIN"),
	.sasl_user = SPAN_INIT("alice"),
};

static const struct queue_rcpt rcpts[] = {
	{ .addr = SPAN_INIT("x@demo.test"),
	    .orig = SPAN_INIT("y@demo.test"),
	    .orcpt = SPAN_INIT("rfc822;y@demo.test"),
	    .notify = 3 },
	{ .addr = SPAN_INIT("z@demo.test") },
};

static struct span
put_envelope(void)
{
	struct buf b;
	size_t size = record_envelope_size(&envelope, rcpts, COUNT_OF(rcpts));

	assert_true(size > 0 && size <= sizeof(storage));
	buf_init(&b, storage, size);
	record_put_envelope(&b, &envelope, rcpts, COUNT_OF(rcpts));
	assert_int_equal(b.n, size);
	return buf_span(&b);
}

static void
what_an_envelope_says_is_read(void **state)
{
	struct queue_envelope e;
	struct queue_rcpt r[2];
	struct span in = guarded(put_envelope());

	(void)state;
	assert_true(record_read_envelope(in, &e, r, 2));
	assert_int_equal(e.arrived, envelope.arrived);
	assert_int_equal(e.ret, 1);
	assert_int_equal(e.flags, QUEUE_8BIT);
	assert_span(e.sender, envelope.sender);
	assert_span(e.client_port, envelope.client_port);
	assert_span(e.sasl_user, envelope.sasl_user);
	assert_span(r[0].addr, rcpts[0].addr);
	assert_span(r[0].orig, rcpts[0].orig);
	assert_span(r[0].orcpt, rcpts[0].orcpt);
	assert_int_equal(r[0].notify, 3);
	assert_span(r[1].addr, rcpts[1].addr);
	assert_span(r[1].orig, SPAN(""));
	assert_int_equal(r[1].notify, 0);
}

static void
an_envelope_that_is_cut_is_refused(void **state)
{
	struct queue_envelope e;
	struct queue_rcpt r[3];
	struct span whole = put_envelope();

	(void)state;
	for (size_t n = 0; n < whole.n; n++) {
		struct span in = guarded((struct span){ whole.p, n });

		/* What ends between two fields lacks the last recipient. */
		assert_false(record_read_envelope(in, &e, r, 2));
	}
	assert_false(record_read_envelope(whole, &e, r, 1));
	assert_false(record_read_envelope(whole, &e, r, 3));
}

static void
what_would_break_a_line_is_not_written(void **state)
{
	struct queue_envelope e = { .helo = SPAN("a\r\nb\0c") };
	struct queue_rcpt r = { .addr = SPAN("x@y\n") };
	struct queue_envelope got;
	struct queue_rcpt none[1];
	struct buf b;

	(void)state;
	assert_int_equal(record_envelope_size(&e, &r, 1), 0);
	r.addr = SPAN("");
	assert_int_equal(record_envelope_size(&e, &r, 1), 0);
	e.sender = SPAN("a\0b");
	assert_int_equal(record_envelope_size(&e, NULL, 0), 0);
	e.sender = SPAN("");
	assert_true(record_envelope_size(&e, NULL, 0) > 0);
	buf_init(&b, storage, sizeof(storage));
	record_put_envelope(&b, &e, NULL, 0);
	assert_true(record_read_envelope(buf_span(&b), &got, none, 0));
	assert_span(got.helo, SPAN("a??b?c"));
}

static void
a_head_says_only_what_can_be(void **state)
{
	struct record_head h = { 5, 100, 2 };
	struct record_head got;
	char bytes[RECORD_HEAD];

	(void)state;
	record_put_head(bytes, &h);
	struct span in = guarded((struct span){ bytes, sizeof(bytes) });
	assert_true(record_read_head(in, &got));
	assert_int_equal(got.content_length, 5);
	assert_int_equal(got.envelope_length, 100);
	assert_int_equal(got.rcpts, 2);
	assert_int_equal(record_states_at(&got),
	    RECORD_HEAD + 5 + 100 + RECORD_TRAILER);
	in.n--;
	assert_false(record_read_head(in, &got));

	h.rcpts = 34; /* more than 100 bytes can name */
	record_put_head(bytes, &h);
	assert_false(
	    record_read_head((struct span){ bytes, sizeof(bytes) }, &got));
	h = (struct record_head){ UINT64_MAX - 3, 100, 2 };
	record_put_head(bytes, &h);
	assert_false(
	    record_read_head((struct span){ bytes, sizeof(bytes) }, &got));
	h = (struct record_head){ 5, QUEUE_ENVELOPE_MAX + 1, 2 };
	record_put_head(bytes, &h);
	assert_false(
	    record_read_head((struct span){ bytes, sizeof(bytes) }, &got));
}

static void
a_trailer_belongs_to_its_head(void **state)
{
	struct record_head h = { 5, 100, 2 };
	struct record_trailer t = { 0x12345678, 0x9abcdef0 };
	struct record_trailer got;
	char bytes[RECORD_TRAILER];

	(void)state;
	record_put_trailer(bytes, &h, &t);
	struct span in = { bytes, sizeof(bytes) };
	assert_true(record_read_trailer(guarded(in), &h, &got));
	assert_int_equal(got.content_checksum, 0x12345678);
	assert_int_equal(got.checksum, 0x9abcdef0);
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_false(record_read_trailer(in, &h, &got));
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	h.content_length++;
	assert_false(record_read_trailer(in, &h, &got));
}

static struct span
put_states(void)
{
	struct buf b;
	struct queue_state s = {
		.rcpt = 1,
		.verdict = QUEUE_DELAYED,
		.dsn = SPAN("4.4.1"),
		.relay = SPAN("none"),
		.text = SPAN("connect to mx: Connection refused"),
		.time = 1700000000000000,
	};

	buf_init(&b, storage, sizeof(storage));
	record_put_state(&b, &s);
	s.rcpt = 0;
	s.verdict = QUEUE_SENT;
	s.text = SPAN("");
	record_put_state(&b, &s);
	return buf_span(&b);
}

static void
states_are_taken_one_by_one(void **state)
{
	struct span in = guarded(put_states());
	struct queue_state s;

	(void)state;
	assert_true(record_take_state(&in, 2, &s));
	assert_int_equal(s.rcpt, 1);
	assert_int_equal(s.verdict, QUEUE_DELAYED);
	assert_span(s.dsn, SPAN("4.4.1"));
	assert_span(s.relay, SPAN("none"));
	assert_span(s.text, SPAN("connect to mx: Connection refused"));
	assert_int_equal(s.time, 1700000000000000);
	assert_true(record_take_state(&in, 2, &s));
	assert_int_equal(s.verdict, QUEUE_SENT);
	assert_span(s.text, SPAN(""));
	assert_false(record_take_state(&in, 2, &s));
	assert_int_equal(in.n, 0);
}

static void
a_torn_or_changed_state_is_none(void **state)
{
	struct span whole = put_states();
	struct queue_state s;
	struct span in;

	(void)state;
	in = whole;
	assert_true(record_take_state(&in, 2, &s));
	size_t first = whole.n - in.n;
	for (size_t n = 0; n < first; n++) {
		in = guarded((struct span){ whole.p, n });
		assert_false(record_take_state(&in, 2, &s));
		assert_int_equal(in.n, n);
	}
	for (size_t bit = 0; bit < first * 8; bit++) {
		storage[bit / 8] ^= (char)(1 << bit % 8);
		in = whole;
		assert_false(record_take_state(&in, 2, &s));
		storage[bit / 8] ^= (char)(1 << bit % 8);
	}
	in = whole;
	assert_false(record_take_state(&in, 1, &s)); /* no such recipient */
}

static void
a_long_text_is_cut(void **state)
{
	static char text[3 * RECORD_STATE_MAX];
	struct queue_state s = { .text = { text, sizeof(text) },
		.relay = { text, sizeof(text) } };
	struct queue_state got;
	static char bytes[2 * RECORD_STATE_MAX];
	struct buf b;

	(void)state;
	memset(text, 'x', sizeof(text));
	buf_init(&b, bytes, record_state_size(&s));
	record_put_state(&b, &s);
	assert_false(b.overflow);
	struct span in = buf_span(&b);
	assert_true(record_take_state(&in, 1, &got));
	assert_int_equal(got.relay.n, 1024);
	assert_int_equal(got.text.n,
	    RECORD_STATE_MAX - RECORD_STATE_FIXED - 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_an_envelope_says_is_read),
		TEST(an_envelope_that_is_cut_is_refused),
		TEST(what_would_break_a_line_is_not_written),
		TEST(a_head_says_only_what_can_be),
		TEST(a_trailer_belongs_to_its_head),
		TEST(states_are_taken_one_by_one),
		TEST(a_torn_or_changed_state_is_none),
		TEST(a_long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
