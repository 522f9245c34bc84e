#include "tests/unit/test.h"

#include "mail/maillog.h"
#include "trace/keys.h"
#include "trace/ring.h"
#include "trace/story.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
	SECOND = 1000000,
};

static char dir[] = "/tmp/trace-XXXXXX";
static char path[64];
static char bytes[LOG_PACKET_MAX];
static struct why why;

static int
set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/trace", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* An empty one of the least size. */
static struct trace_ring *
new_ring(void)
{
	struct trace_ring *r;

	unlink(path);
	r = trace_ring_make(path, 0, &why);
	assert_non_null(r);
	return r;
}

static void
add(struct trace_ring *r, int64_t time, const char *packet, const char *key)
{
	struct span k = span_str(key);

	trace_ring_add(r, time, span_str(packet), &k, 1);
}

/* How many records there are of a key; the newest one's packet is in `bytes`. */
static size_t
count(const struct trace_ring *r, const char *key)
{
	struct trace_record rec, last = { .at = UINT64_MAX };
	static char other[LOG_PACKET_MAX];
	struct trace_cursor c;
	size_t n = 0;

	trace_ring_find(r, span_str(key), 0, INT64_MAX, &c);
	while (trace_ring_next(r, &c, n ? other : bytes, &rec)) {
		assert_true(rec.at < last.at);
		last = rec;
		n++;
	}
	return n;
}

static void
a_record_is_found_by_each_of_its_keys(void **state)
{
	struct trace_ring *r = new_ring();
	struct span keys[] = { SPAN("Bob@Example.com"), SPAN("4D2C"),
		SPAN("bob@example.COM"), SPAN("") };

	(void)state;
	trace_ring_add(r, 1, SPAN("one"), keys, COUNT_OF(keys));
	add(r, 2, "two", "4d2c");
	assert_int_equal(count(r, "BOB@example.com"), 1);
	assert_memory_equal(bytes, "one", 3);
	assert_int_equal(count(r, "4D2C"), 2);
	assert_memory_equal(bytes, "two", 3);
	assert_int_equal(count(r, "4D2D"), 0);
	assert_int_equal(count(r, ""), 0);
	trace_ring_close(r);
}

static void
the_oldest_are_overwritten(void **state)
{
	struct trace_ring *r = new_ring();
	char packet[1000], key[32];
	size_t total = 5000, left = 0;

	(void)state;
	memset(packet, 'x', sizeof(packet) - 1);
	for (size_t i = 0; i < total; i++) {
		/* Lengths that end nowhere the same. */
		packet[sizeof(packet) - 1] = '\0';
		packet[500 + i * 7 % 499] = '\0';
		snprintf(key, sizeof(key), "key-%zu", i);
		struct span keys[] = { SPAN("all"), span_str(key) };
		trace_ring_add(r, (int64_t)i, span_str(packet), keys, 2);
		packet[500 + i * 7 % 499] = 'x';
	}
	for (size_t i = 0; i < total; i++) {
		snprintf(key, sizeof(key), "key-%zu", i);
		left += count(r, key);
		if (i + 900 > total)
			assert_int_equal(count(r, key), 1);
		if (i + 2000 < total)
			assert_int_equal(count(r, key), 0);
	}
	assert_int_equal(count(r, "all"), left);
	trace_ring_close(r);
}

static void
it_is_there_after_a_restart_and_for_who_looks(void **state)
{
	struct trace_ring *r = new_ring(), *other, *reader;

	(void)state;
	add(r, 1, "one", "k");
	reader = trace_ring_open(path, &why);
	assert_non_null(reader);
	assert_int_equal(count(reader, "k"), 1);
	add(r, 2, "two", "k");
	assert_int_equal(count(reader, "k"), 2);
	other = trace_ring_make(path, 0, &why);
	assert_null(other); /* there is one that adds */
	trace_ring_close(r);
	r = trace_ring_make(path, 0, &why);
	add(r, 3, "three", "k");
	assert_int_equal(count(reader, "k"), 3);
	trace_ring_close(r);

	/* Of another size it begins anew; who looks keeps what he has. */
	r = trace_ring_make(path, 3 << 20, &why);
	assert_int_equal(count(r, "k"), 0);
	assert_int_equal(count(reader, "k"), 3);
	trace_ring_close(r);
	trace_ring_close(reader);
}

/* Changes a byte of the file. */
static void
damage(int fd, off_t at)
{
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x55);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void
what_is_damaged_is_not_shown(void **state)
{
	struct trace_ring *r = new_ring();
	struct stat st;
	off_t records;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	records = st.st_size - (1 << 20);
	add(r, 1, "one", "k");
	add(r, 2, "two", "k");
	for (off_t i = 0; i < 51; i++) { /* head, key and packet of the first */
		damage(fd, records + i);
		assert_int_equal(count(r, "k"), 1);
		assert_memory_equal(bytes, "two", 3);
		damage(fd, records + i);
	}
	assert_int_equal(count(r, "k"), 2);
	trace_ring_close(r);

	/* A head that is not whole: another ring is made. */
	damage(fd, 20);
	assert_null(trace_ring_open(path, &why));
	damage(fd, 20);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	assert_null(trace_ring_open(path, &why));
	r = trace_ring_make(path, 0, &why);
	assert_non_null(r);
	assert_int_equal(count(r, "k"), 0);
	trace_ring_close(r);
	close(fd);
}

static void
what_is_no_record_of_ours_is_left_out(void **state)
{
	struct trace_ring *r = new_ring();
	static char large[LOG_PACKET_MAX + 1];
	struct span k = SPAN("k"), none = { 0 };

	(void)state;
	trace_ring_add(r, 1, (struct span){ large, sizeof(large) }, &k, 1);
	trace_ring_add(r, 1, SPAN("x"), &none, 1);
	assert_int_equal(count(r, "k"), 0);
	trace_ring_add(r, 1, (struct span){ large, LOG_PACKET_MAX }, &k, 1);
	assert_int_equal(count(r, "k"), 1);
	trace_ring_close(r);
}

static void
time_ends_the_way(void **state)
{
	struct trace_ring *r = new_ring();
	struct trace_record rec;
	struct trace_cursor c;

	(void)state;
	for (int i = 0; i < 100; i++)
		add(r, (int64_t)i * 60 * SECOND, "x", "k");
	trace_ring_find(r, SPAN("k"), (int64_t)98 * 60 * SECOND, INT64_MAX, &c);
	assert_true(trace_ring_next(r, &c, bytes, &rec));
	assert_true(trace_ring_next(r, &c, bytes, &rec));
	assert_false(trace_ring_next(r, &c, bytes, &rec));
	trace_ring_find(r, SPAN("k"), 0, (int64_t)60 * SECOND, &c);
	assert_true(trace_ring_next(r, &c, bytes, &rec));
	assert_int_equal(rec.time, (int64_t)60 * SECOND);
	assert_true(trace_ring_next(r, &c, bytes, &rec));
	assert_false(trace_ring_next(r, &c, bytes, &rec));
	trace_ring_close(r);
}

/* An event, with up to three fields of "name value" pairs. */
static void
log_to(struct trace_ring *r, uint8_t event, int64_t second,
    const struct log_field *fields, size_t n)
{
	static char packet[LOG_PACKET_MAX];
	struct log_record rec = { .level = LOG_LEVEL_INFO,
		.event = event,
		.time = second * SECOND };
	struct span keys[TRACE_KEYS_MAX];
	struct buf b;

	for (size_t i = 0; i < n; i++)
		rec.fields[rec.n++] = fields[i];
	buf_init(&b, packet, sizeof(packet));
	log_encode(&b, &rec);
	trace_ring_add(r, rec.time, buf_span(&b), keys,
	    trace_keys(&rec, keys, COUNT_OF(keys)));
}

#define EVENT(ring, event, second, ...) \
	log_to(ring, MAILLOG_##event, second, \
	    (const struct log_field[]){ __VA_ARGS__ }, \
	    COUNT_OF(((const struct log_field[]){ __VA_ARGS__ })))
#define FIELD(name, text) \
	{ \
		MAILLOG_FIELD_##name, SPAN_INIT(text) \
	}
#define ID(text) \
	{ \
		LOG_FIELD_ID, SPAN_INIT(text) \
	}

/* Two mails over one connection; the second goes on as a third. */
static void
fill(struct trace_ring *r)
{
	EVENT(r, CONNECT, 1, FIELD(CONNECTION, "c1"),
	    FIELD(CLIENT_ADDR, "192.0.2.1"));
	EVENT(r, CLIENT, 2, ID("AAAAAA"), FIELD(CONNECTION, "c1"),
	    FIELD(CLIENT_ADDR, "192.0.2.1"));
	EVENT(r, DELIVERY, 3, ID("AAAAAA"), FIELD(TO, "a@x"),
	    FIELD(REASON, "delivered to maildir"));
	EVENT(r, CLIENT, 4, ID("BBBBBB"), FIELD(CONNECTION, "c1"),
	    FIELD(CLIENT_ADDR, "192.0.2.1"));
	EVENT(r, DELIVERY, 5, ID("BBBBBB"), FIELD(TO, "b@x"),
	    FIELD(REASON, "forwarded as CCCCCC"));
	EVENT(r, DISCONNECT, 6, FIELD(CONNECTION, "c1"),
	    FIELD(CLIENT_ADDR, "192.0.2.1"));
	EVENT(r, DELIVERY, 7, ID("CCCCCC"), FIELD(TO, "c@x"));
	EVENT(r, REJECT, 8, ID("NOQUEUE"), FIELD(CONNECTION, "c2"),
	    FIELD(TO, "c@x"));
}

/* "4 2": the seconds of each story, a blank between stories. */
static const char *
tell(const struct trace_ring *r, const char *key, size_t max, bool *cut_r)
{
	static char text[128];
	struct arena *a = arena_new(1 << 20);
	struct trace_answer answer = trace_tell(r,
	    &(struct trace_query){ .key = span_str(key),
		.until = INT64_MAX,
		.max = max },
	    a);
	struct buf b;

	buf_init(&b, text, sizeof(text) - 1);
	for (size_t i = 0; i < answer.n; i++) {
		if (i > 0 &&
		    answer.events[i].story != answer.events[i - 1].story)
			buf_put(&b, SPAN(" "));
		buf_putf(&b, "%d", (int)(answer.events[i].time / SECOND));
	}
	text[b.n] = '\0';
	*cut_r = answer.cut;
	arena_free(a);
	return text;
}

static void
a_story_is_what_belongs_together(void **state)
{
	static const struct {
		const char *key;
		const char *told;
	} rows[] = {
		{ "aaaaaa", "1236" },
		{ "a@x", "1236" },
		{ "b@x", "14567" },
		{ "CCCCCC", "14567" },
		{ "c@x", "14567 8" },
		{ "192.0.2.1", "1236 14567" },
		{ "c2", "8" },
		{ "NOQUEUE", "" },
		{ "nobody@x", "" },
	};
	struct trace_ring *r = new_ring();
	bool cut;

	(void)state;
	fill(r);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		print_row(span_str(rows[i].key));
		assert_string_equal(tell(r, rows[i].key, 10, &cut),
		    rows[i].told);
		assert_false(cut);
	}
	trace_ring_close(r);
}

static void
what_two_messages_of_a_story_share_is_told_once(void **state)
{
	struct trace_ring *r = new_ring();
	bool cut;

	(void)state;
	EVENT(r, CONNECT, 1, FIELD(CONNECTION, "c1"));
	EVENT(r, CLIENT, 2, ID("AAAAAA"), FIELD(CONNECTION, "c1"));
	EVENT(r, CLIENT, 3, ID("BBBBBB"), FIELD(CONNECTION, "c1"));
	EVENT(r, NOTIFICATION, 4, ID("AAAAAA"), FIELD(NEW_ID, "BBBBBB"));
	assert_string_equal(tell(r, "BBBBBB", 10, &cut), "1234");
	trace_ring_close(r);
}

static atomic_bool added;

/* Packets of one letter each, as many as go around many times. */
static void *
add_many(void *arg)
{
	static char packet[LOG_PACKET_MAX];

	for (int i = 0; i < 100000; i++) {
		memset(packet, 'a' + i % 26, sizeof(packet));
		struct span p = { packet, 7000 + (size_t)i * 37 % 1000 };
		struct span k = SPAN("k");
		trace_ring_add(arg, 1, p, &k, 1);
	}
	added = true;
	return NULL;
}

static void
who_is_overtaken_sees_nothing_torn(void **state)
{
	struct trace_ring *r = new_ring();
	struct trace_ring *reader = trace_ring_open(path, &why);
	struct trace_record rec;
	struct trace_cursor c;
	size_t seen = 0, torn = 0;
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, add_many, r), 0);
	for (bool last = false; !last;) {
		last = added;
		trace_ring_find(reader, SPAN("k"), 0, INT64_MAX, &c);
		while (trace_ring_next(reader, &c, bytes, &rec)) {
			seen++;
			for (size_t i = 1; i < rec.packet.n; i++)
				torn += bytes[i] != bytes[0];
		}
	}
	pthread_join(writer, NULL);
	assert_int_equal(torn, 0);
	assert_true(seen > 0);
	trace_ring_close(reader);
	trace_ring_close(r);
}

static void
the_newest_stories_are_told_and_the_rest_is_cut(void **state)
{
	struct trace_ring *r = new_ring();
	bool cut;

	(void)state;
	fill(r);
	assert_string_equal(tell(r, "c@x", 1, &cut), "8");
	assert_true(cut);
	trace_ring_close(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_is_found_by_each_of_its_keys),
		TEST(the_oldest_are_overwritten),
		TEST(it_is_there_after_a_restart_and_for_who_looks),
		TEST(what_is_damaged_is_not_shown),
		TEST(what_is_no_record_of_ours_is_left_out),
		TEST(time_ends_the_way),
		TEST(a_story_is_what_belongs_together),
		TEST(what_two_messages_of_a_story_share_is_told_once),
		TEST(who_is_overtaken_sees_nothing_torn),
		TEST(the_newest_stories_are_told_and_the_rest_is_cut),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
