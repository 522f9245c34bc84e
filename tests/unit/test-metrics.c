#include "tests/unit/test.h"

#include "mail/maillog.h"
#include "master/http.h"
#include "master/openmetrics.h"
#include "master/tally.h"

/* tally.c counts in the frame of a daemon; here is none. */
static uint64_t counted[COUNTERS_N];

void
counter_add(enum counter c, uint64_t n)
{
	counted[c] += n;
}

/* The answer to a request of these lines, each with its newline. */
static enum http_status
ask(const char *text, struct http_request *r)
{
	struct span rest = span_str(text);
	enum http_status status = HTTP_MORE;

	*r = (struct http_request){ 0 };
	while (rest.n > 0 && status == HTTP_MORE)
		status = http_line(r, guarded(span_cut(&rest, '\n')),
		    SPAN("/metrics"));
	return rest.n > 0 ? HTTP_MORE : status;
}

static void
a_request_gets_its_status(void **state)
{
	static const struct {
		const char *text;
		enum http_status status;
	} rows[] = {
		{ "GET /metrics HTTP/1.1\nHost: a\n\n", HTTP_OK },
		{ "GET /metrics?x=1 HTTP/1.1\nHOST:a\nAccept: */*\n\n",
		    HTTP_OK },
		{ "HEAD /metrics HTTP/1.1\nHost: a\n\n", HTTP_OK },
		{ "GET /metrics HTTP/1.0\n\n", HTTP_OK },
		{ "GET / HTTP/1.1\nHost: a\n\n", HTTP_NOT_FOUND },
		{ "GET /metricsx HTTP/1.1\nHost: a\n\n", HTTP_NOT_FOUND },
		{ "POST /metrics HTTP/1.1\nHost: a\n\n", HTTP_NO_METHOD },
		{ "get /metrics HTTP/1.1\nHost: a\n\n", HTTP_NO_METHOD },
		{ "GET /metrics HTTP/2.0\n", HTTP_NO_VERSION },
		{ "GET /metrics HTTP/1.1\n\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\nHost: a\nhost: b\n\n",
		    HTTP_BAD_REQUEST },
		{ "\n", HTTP_BAD_REQUEST },
		{ "GET /metrics\n", HTTP_BAD_REQUEST },
		{ "GET  /metrics HTTP/1.1\n", HTTP_BAD_REQUEST },
		{ "GET /metrics http/1.1\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1 \n", HTTP_BAD_REQUEST },
		{ "G@T /metrics HTTP/1.1\n", HTTP_BAD_REQUEST },
		{ "GET /met\trics HTTP/1.1\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\nHost a\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\nHost : a\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\n Host: a\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\nHost: a\rb\n", HTTP_BAD_REQUEST },
		{ "GET /metrics HTTP/1.1\nHost: a\n", HTTP_MORE },
	};
	struct http_request r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].text));
		assert_int_equal(ask(rows[i].text, &r), rows[i].status);
	}
	assert_int_equal(ask("HEAD /metrics HTTP/1.0\n\n", &r), HTTP_OK);
	assert_true(r.is_head);
}

static void
fields_are_bounded(void **state)
{
	struct http_request r = { 0 };

	(void)state;
	assert_int_equal(http_line(&r, SPAN("GET /metrics HTTP/1.1"),
			     SPAN("/metrics")),
	    HTTP_MORE);
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		assert_int_equal(http_line(&r, SPAN("a: b"), SPAN("/metrics")),
		    HTTP_MORE);
	assert_int_equal(http_line(&r, SPAN("a: b"), SPAN("/metrics")),
	    HTTP_TOO_MANY);
}

static void
an_answer_has_its_length(void **state)
{
	char text[HTTP_HEAD_MAX];
	struct buf b;

	(void)state;
	buf_init(&b, text, sizeof(text));
	http_put_head(&b, HTTP_NO_METHOD, SPAN("text/plain"), 12);
	assert_span(buf_span(&b),
	    SPAN("HTTP/1.1 405 Method Not Allowed\r\n"
		 "Content-Type: text/plain\r\nContent-Length: 12\r\n"
		 "Allow: GET, HEAD\r\nConnection: close\r\n\r\n"));
}

/* A message of master's about a service. */
static void
add_service(struct state *s, const char *name, const char *counters)
{
	static char packet[4096];
	struct msg_in in;
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_SERVICE_STATUS, 0);
	msg_put_str(&b, MSG_FIELD_SERVICE, span_str(name));
	msg_put_u64(&b, MSG_FIELD_WORKERS, 2);
	msg_put_u64(&b, MSG_FIELD_GENERATION, 1);
	msg_put_u64(&b, MSG_FIELD_SESSIONS, 7);
	msg_put_str(&b, MSG_FIELD_TYPE, SPAN("inet"));
	msg_put_opt(&b, MSG_FIELD_COUNTERS, span_str(counters));
	assert_true(msg_end(&b, 0));
	assert_true(msg_read(buf_span(&b), &in));
	state_add(s, &in);
}

static struct state all;
static char text[OPENMETRICS_MAX];

static bool
has(const char *line)
{
	return strstr(text, line) != NULL;
}

static void
services_become_lines_with_labels(void **state)
{
	struct buf b;

	(void)state;
	all.n = 0;
	add_service(&all, "sm\"t\\p",
	    "sessions=5 unknown=3 =4 rejects=x tls=9");
	add_service(&all, "postlog",
	    "deliveries.smtp.sent=3 delay.0.1=1 delay.1=2 delay.+Inf=1 "
	    "delay.ms=12045");
	add_service(&all, "qmgr", "");
	buf_init(&b, text, sizeof(text) - 1);
	openmetrics_put(&b, &all);
	assert_false(b.overflow);
	assert_true(
	    has("postrider_workers{service=\"qmgr\",type=\"inet\"} 2\n"));
	assert_true(
	    has("postrider_sessions{service=\"qmgr\",type=\"inet\"} 7\n"));
	assert_true(has("# TYPE postrider_connections counter\n"));
	assert_true(has("postrider_connections_total{service=\"sm\\\"t\\\\p\","
			"type=\"inet\"} 5\n"));
	assert_true(has("postrider_deliveries_total{transport=\"smtp\","
			"status=\"sent\"} 3\n"));
	assert_true(has("_seconds_bucket{le=\"0.1\"} 1\n"));
	assert_true(has("_seconds_bucket{le=\"1.0\"} 3\n"));
	assert_true(has("_seconds_bucket{le=\"36000.0\"} 3\n"));
	assert_true(has("_seconds_bucket{le=\"+Inf\"} 4\n"));
	assert_true(has("_seconds_sum 12.045\n"));
	assert_true(has("_seconds_count 4\n"));
	assert_false(has("rejects_total{"));
	assert_true(b.n > 6 && memcmp(b.p + b.n - 6, "# EOF\n", 6) == 0);
}

static void
all_there_can_be_has_room(void **state)
{
	static char name[STATE_NAME_MAX + 20], counters[4000];
	struct buf b;

	(void)state;
	all.n = 0;
	memset(name, '"', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	buf_init(&b, counters, sizeof(counters) - 1);
	for (enum counter c = 0; c < COUNTERS_N; c++)
		buf_putf(&b, "%s=9223372036854775807 ", counter_name(c));
	assert_false(b.overflow); /* nor does it in master/control.c */
	for (int i = 0; i < STATE_SERVICES_MAX + 1; i++)
		add_service(&all, name, counters);
	assert_int_equal(all.n, STATE_SERVICES_MAX);
	buf_init(&b, text, sizeof(text));
	openmetrics_put(&b, &all);
	assert_false(b.overflow);
}

static struct log_record
delivery(const char *tag, const char *status, const char *delay)
{
	return (struct log_record){
		.event = MAILLOG_DELIVERY,
		.n = 3,
		.fields = { { LOG_FIELD_TAG, span_str(tag) },
		    { MAILLOG_FIELD_STATUS, span_str(status) },
		    { MAILLOG_FIELD_DELAY, span_str(delay) } },
	};
}

static void
a_delivery_counts_once(void **state)
{
	static const struct {
		const char *tag, *status, *delay;
		enum counter delivery, bucket;
		uint64_t ms;
	} rows[] = {
		{ "postrider/virtual", "sent", "0.1", COUNTER_VIRTUAL_SENT,
		    COUNTER_DELAY_0, 100 },
		{ "postrider/smtp", "sent", "0.11", COUNTER_SMTP_SENT,
		    COUNTER_DELAY_1, 110 },
		{ "a/b/lmtp", "sent", "3", COUNTER_LMTP_SENT, COUNTER_DELAY_3,
		    3000 },
		{ "postrider/relay-out", "sent", "36001", COUNTER_OTHER_SENT,
		    COUNTER_DELAY_MORE, 36001000 },
		{ "postrider/local", "deferred", "7", COUNTER_LOCAL_DEFERRED,
		    COUNTERS_N, 0 },
		{ "postrider/error", "bounced", "7", COUNTER_ERROR_BOUNCED,
		    COUNTERS_N, 0 },
		{ "postrider/retry", "expired", "7", COUNTER_RETRY_BOUNCED,
		    COUNTERS_N, 0 },
	};
	enum counter d, bucket;
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct log_record r = delivery(rows[i].tag, rows[i].status,
		    rows[i].delay);

		print_row(span_str(rows[i].tag));
		assert_true(tally_delivery(&r, &d, &bucket, &ms));
		assert_int_equal(d, rows[i].delivery);
		assert_int_equal(bucket, rows[i].bucket);
		assert_int_equal(ms, rows[i].ms);
	}
	struct log_record r = delivery("postrider/smtp", "deliverable", "1");
	assert_false(tally_delivery(&r, &d, &bucket, &ms));
	r = delivery("postrider/smtp", "sent", "1");
	r.event = MAILLOG_ACTIVE;
	assert_false(tally_delivery(&r, &d, &bucket, &ms));
}

static void
lines_and_lost_ones_are_counted(void **state)
{
	struct log_record lost = {
		.event = LOG_EVENT_TEXT,
		.n = 2,
		.fields = { { LOG_FIELD_TEXT, SPAN("12 log lines were lost") },
		    { LOG_FIELD_LOST, SPAN("12") } },
	};
	struct log_record sent = delivery("postrider/smtp", "sent", "1.5");

	(void)state;
	memset(counted, 0, sizeof(counted));
	tally_line(&lost);
	tally_line(&sent);
	assert_int_equal(counted[COUNTER_LINES], 2);
	assert_int_equal(counted[COUNTER_LINES_LOST], 12);
	assert_int_equal(counted[COUNTER_SMTP_SENT], 1);
	assert_int_equal(counted[COUNTER_DELAY_3], 1);
	assert_int_equal(counted[COUNTER_DELAY_MS], 1500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_gets_its_status),
		TEST(fields_are_bounded),
		TEST(an_answer_has_its_length),
		TEST(services_become_lines_with_labels),
		TEST(all_there_can_be_has_room),
		TEST(a_delivery_counts_once),
		TEST(lines_and_lost_ones_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
