#include "queue/queue.h"
#include "queue/record.h"

#include "spool.h"

#include <errno.h>
#include <utime.h>
#include <zlib.h>

static const struct queue_envelope envelope = {
	.arrived = 1700000000123456,
	.sender = SPAN_INIT("a@example.org"),
	.helo = SPAN_INIT("client.example"),
};

static const struct queue_rcpt rcpts[] = {
	{ .addr = SPAN_INIT("x@demo.test"), .orig = SPAN_INIT("y@demo.test") },
	{ .addr = SPAN_INIT("z@demo.test") },
};

static struct queue *
open_queue(void)
{
	struct why why;
	struct queue *q = queue_open(spool_dir, QUEUE_OWN, false, &why);

	assert_non_null(q);
	return q;
}

static const char *
path_of(enum queue_place place, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%.100s", queue_place_name(place),
	    name);
	return spool_path(path);
}

static struct queue_name
commit(struct queue *q, struct span content)
{
	struct queue_writer *w = queue_writer_new(q, 65536);
	struct queue_id id;
	struct queue_name name;

	assert_true(queue_put(w, content));
	assert_int_equal(queue_commit(w, &envelope, rcpts, COUNT_OF(rcpts), &id,
			     &name),
	    0);
	queue_writer_free(w);
	return name;
}

static void
assert_content(const char *path, const struct queue_message *m,
    struct span want)
{
	struct span file = spool_read(path);

	assert_int_equal(m->content_length, want.n);
	assert_true(m->content_offset + want.n <= file.n);
	assert_span(((struct span){ file.p + m->content_offset, want.n }),
	    want);
	assert_int_equal(m->content_checksum,
	    crc32_z(0, (const unsigned char *)want.p, want.n));
}

static bool
count(const char *name, int64_t due, void *arg)
{
	(void)name;
	(void)due;
	++*(unsigned *)arg;
	return true;
}

static unsigned
count_files(struct queue *q, enum queue_place place)
{
	unsigned n = 0;

	assert_int_equal(queue_scan(q, place, count, &n), 0);
	return n;
}

static void
what_was_committed_is_loaded(void **state)
{
	struct queue *q = open_queue();
	struct arena *a = arena_new(1 << 20);
	struct queue_writer *w = queue_writer_new(q, 65536);
	struct queue_message m;
	struct queue_id id, id2;
	struct queue_name name;
	struct stat st;
	char want[256];
	int fd;

	(void)state;
	assert_true(queue_put(w, SPAN("Received: id ")));
	assert_true(queue_put_id(w));
	assert_true(queue_put(w, SPAN("\n\nbody\n")));
	assert_int_equal(queue_commit(w, &envelope, rcpts, 2, &id, &name), 0);
	queue_writer_free(w);
	assert_true(queue_name_id(name.text, &id2));
	assert_string_equal(id.text, id2.text);

	assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m, &fd),
	    0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_int_equal(st.st_mode & 0777, 0660);
	snprintf(want, sizeof(want), "%lX", (unsigned long)st.st_ino);
	assert_string_equal(id.text + 5, want);
	assert_string_equal(m.id.text, id.text);
	assert_int_equal(m.n, 2);
	assert_span(m.envelope.sender, envelope.sender);
	assert_span(m.rcpts[0].orig, rcpts[0].orig);
	assert_span(m.rcpts[1].addr, rcpts[1].addr);
	assert_int_equal(m.states[1].verdict, QUEUE_PENDING);
	assert_int_equal(m.attempts, 0);
	snprintf(want, sizeof(want), "Received: id %s\n\nbody\n", id.text);
	assert_content(path_of(QUEUE_INCOMING, name.text), &m,
	    (struct span){ want, strlen(want) });
	arena_free(a);
	queue_close(q);
}

/* Whatever the memory, flushes and pieces, the file is the same. */
static void
a_message_larger_than_memory_is_the_same(void **state)
{
	struct queue *q = open_queue();
	static char text[70000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 251);
	for (size_t max = 100; max < 80000; max = max * 3 + 1) {
		struct arena *a = arena_new(1 << 20);
		struct queue_writer *w = queue_writer_new(q, max);
		struct queue_message m;
		struct queue_id id;
		struct queue_name name;

		for (size_t at = 0, n = 1; at < sizeof(text); at += n) {
			n = (at * 31 + 1) % max + 1;
			if (n > sizeof(text) - at)
				n = sizeof(text) - at;
			struct span s = { text + at, n };
			if (queue_put(w, s))
				continue;
			assert_int_equal(queue_flush(w), 0);
			assert_true(queue_put(w, s));
		}
		assert_int_equal(queue_commit(w, &envelope, rcpts, 2, &id,
				     &name),
		    0);
		queue_writer_free(w);
		assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m,
				     NULL),
		    0);
		assert_content(path_of(QUEUE_INCOMING, name.text), &m,
		    (struct span){ text, sizeof(text) });
		arena_free(a);
	}
	queue_close(q);
}

static void
what_is_not_committed_leaves_nothing(void **state)
{
	struct queue *q = open_queue();
	struct queue_writer *w = queue_writer_new(q, 100);
	struct queue_rcpt bad = { .addr = SPAN("a\nb") };
	struct queue_id id;
	struct queue_name name;

	(void)state;
	assert_true(queue_put(w, SPAN("text\n")));
	assert_false(queue_has_file(w));
	assert_int_equal(queue_flush(w), 0);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 1);
	assert_true(queue_has_file(w));
	assert_int_equal(queue_commit(w, &envelope, &bad, 1, &id, &name),
	    -EINVAL);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 0);
	assert_false(queue_has_file(w));
	queue_writer_free(w);

	w = queue_writer_new(q, 100);
	assert_int_equal(queue_flush(w), 0);
	queue_writer_free(w);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 0);
	queue_close(q);
}

static void
a_file_cut_anywhere_is_not_mail(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("Subject: x\n\nbody\n"));
	struct arena *a = arena_new(1 << 20);
	struct queue_message m;
	char path[256];
	static char copy[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of(QUEUE_INCOMING, name.text));
	struct span file = spool_read(path);
	assert_true(file.n < sizeof(copy));
	memcpy(copy, file.p, file.n);
	for (size_t n = 0; n < file.n; n++) {
		spool_write(path, (struct span){ copy, n });
		assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m,
				     NULL),
		    -ENODATA);
		arena_reset(a);
	}
	arena_free(a);
	queue_close(q);
}

static void
a_flipped_bit_is_found(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	struct arena *a = arena_new(1 << 20);
	struct queue_message m;
	char path[256];
	static char copy[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of(QUEUE_INCOMING, name.text));
	struct span file = spool_read(path);
	assert_true(file.n < sizeof(copy));
	memcpy(copy, file.p, file.n);
	for (size_t bit = 0; bit < file.n * 8; bit++) {
		if (bit / 8 >= RECORD_HEAD && bit / 8 < RECORD_HEAD + 5)
			continue; /* the content is for its reader */
		copy[bit / 8] ^= (char)(1 << bit % 8);
		spool_write(path, (struct span){ copy, file.n });
		assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m,
				     NULL),
		    -EBADMSG);
		arena_reset(a);
		copy[bit / 8] ^= (char)(1 << bit % 8);
	}
	arena_free(a);
	queue_close(q);
}

static void
append_one(struct queue *q, const char *name, uint32_t rcpt,
    enum queue_verdict verdict, struct span text)
{
	struct queue_state s = { .rcpt = rcpt,
		.verdict = verdict,
		.dsn = SPAN("4.2.0"),
		.text = text,
		.time = 5 };

	assert_int_equal(queue_append_states(q, QUEUE_INCOMING, name, &s, 1),
	    0);
}

static void
the_last_state_counts(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	struct arena *a = arena_new(1 << 20);
	struct queue_message m;

	(void)state;
	struct queue_state nobodys = { .rcpt = 2, .verdict = QUEUE_SENT };

	append_one(q, name.text, 0, QUEUE_DELAYED, SPAN("first"));
	/* It would hide what comes behind it. */
	assert_int_equal(queue_append_states(q, QUEUE_INCOMING, name.text,
			     &nobodys, 1),
	    -EINVAL);
	append_one(q, name.text, 1, QUEUE_SENT, SPAN("done"));
	append_one(q, name.text, 0, QUEUE_DELAYED, SPAN("second"));
	assert_int_equal(queue_sync(q), 0);
	assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m, NULL),
	    0);
	assert_int_equal(m.attempts, 2);
	assert_int_equal(m.states[0].verdict, QUEUE_DELAYED);
	assert_span(m.states[0].text, SPAN("second"));
	assert_int_equal(m.states[1].verdict, QUEUE_SENT);
	assert_span(m.states[1].text, SPAN("done"));
	assert_span(m.states[1].dsn, SPAN("4.2.0"));
	arena_free(a);
	queue_close(q);
}

/* For every cut of the second record the first counts, and a third is read. */
static void
a_torn_state_is_cut_by_the_next(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	char path[256];
	struct arena *a = arena_new(1 << 20);
	struct queue_message m;
	static char copy[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of(QUEUE_INCOMING, name.text));
	append_one(q, name.text, 0, QUEUE_DELAYED, SPAN("first"));
	size_t first = spool_read(path).n;
	append_one(q, name.text, 0, QUEUE_BOUNCED, SPAN("a longer second one"));
	struct span file = spool_read(path);
	assert_true(file.n < sizeof(copy));
	memcpy(copy, file.p, file.n);
	for (size_t n = first; n < file.n; n++) {
		spool_write(path, (struct span){ copy, n });
		assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m,
				     NULL),
		    0);
		assert_span(m.states[0].text, SPAN("first"));
		append_one(q, name.text, 1, QUEUE_SENT, SPAN("x"));
		assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m,
				     NULL),
		    0);
		assert_span(m.states[0].text, SPAN("first"));
		assert_int_equal(m.states[1].verdict, QUEUE_SENT);
		arena_reset(a);
	}
	arena_free(a);
	queue_close(q);
}

/* More records than one read takes. */
static void
a_thousand_states_are_read(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	static struct queue_state s[1000];
	static char text[100];
	struct arena *a = arena_new(1 << 20);
	struct queue_message m;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < COUNT_OF(s); i++)
		s[i] = (struct queue_state){ .rcpt = i & 1,
			.verdict = QUEUE_DELAYED,
			.text = { text, i % 100 } };
	assert_int_equal(queue_append_states(q, QUEUE_INCOMING, name.text, s,
			     COUNT_OF(s)),
	    0);
	assert_int_equal(queue_load(q, QUEUE_INCOMING, name.text, a, &m, NULL),
	    0);
	assert_int_equal(m.attempts, 500);
	assert_int_equal(m.states[1].text.n, 99);
	arena_free(a);
	queue_close(q);
}

static bool
note_due(const char *name, int64_t due, void *arg)
{
	(void)name;
	*(int64_t *)arg = due;
	return true;
}

static void
a_message_moves_and_is_found(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	struct queue_name found;
	enum queue_place place;
	struct queue_id id;
	int64_t due = 0;

	(void)state;
	assert_true(queue_name_id(name.text, &id));
	assert_int_equal(queue_find(q, id.text, &place, &found), 0);
	assert_int_equal(place, QUEUE_INCOMING);
	assert_string_equal(found.text, name.text);

	assert_int_equal(queue_move(q, QUEUE_INCOMING, name.text,
			     QUEUE_DEFERRED, 1700000300, &name),
	    0);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 0);
	assert_int_equal(queue_scan(q, QUEUE_DEFERRED, note_due, &due), 0);
	assert_int_equal(due, 1700000300);
	assert_int_equal(queue_move(q, QUEUE_DEFERRED, name.text,
			     QUEUE_DEFERRED, 1700000900, &name),
	    0);
	assert_int_equal(queue_scan(q, QUEUE_DEFERRED, note_due, &due), 0);
	assert_int_equal(due, 1700000900);
	assert_int_equal(count_files(q, QUEUE_DEFERRED), 1);
	assert_int_equal(queue_move(q, QUEUE_DEFERRED, name.text, QUEUE_HOLD, 0,
			     &name),
	    0);
	assert_string_equal(name.text, id.text);
	assert_int_equal(queue_find(q, id.text, &place, &found), 0);
	assert_int_equal(place, QUEUE_HOLD);
	assert_int_equal(queue_sync(q), 0);
	assert_int_equal(queue_remove(q, QUEUE_HOLD, name.text), 0);
	assert_int_equal(queue_remove(q, QUEUE_HOLD, name.text), -ENOENT);
	assert_int_equal(queue_find(q, id.text, &place, &found), -ENOENT);
	queue_close(q);
}

static void
nothing_is_replaced_by_a_move(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	struct queue_name new;
	struct queue_id id;

	(void)state;
	assert_true(queue_name_id(name.text, &id));
	spool_write(path_of(QUEUE_HOLD, id.text), SPAN("another"));
	assert_int_equal(queue_move(q, QUEUE_INCOMING, name.text, QUEUE_HOLD, 0,
			     &new),
	    -EEXIST);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 1);
	queue_close(q);
}

static void
make_old(const char *path)
{
	assert_int_equal(utime(path, &(struct utimbuf){ 1000, 1000 }), 0);
}

static void
only_what_was_left_unfinished_is_cleared(void **state)
{
	struct queue *q = open_queue();
	struct queue_name name = commit(q, SPAN("body\n"));
	const char *whole = path_of(QUEUE_INCOMING, name.text);
	const char *young = path_of(QUEUE_INCOMING,
	    "12345ABC-yyyyyyyyyyyyyyyy");
	const char *half = path_of(QUEUE_INCOMING, "12345ABD-zzzzzzzzzzzzzzzz");
	char temp[256];

	(void)state;
	snprintf(temp, sizeof(temp), "%s",
	    path_of(QUEUE_INCOMING, ".abcdefghijklmnop"));
	make_old(whole);
	spool_write(young, SPAN(""));
	spool_write(half, SPAN(""));
	make_old(half);
	spool_write(temp, SPAN(""));
	make_old(temp);
	assert_int_equal(count_files(q, QUEUE_INCOMING), 2);
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(access(path_of(QUEUE_INCOMING, name.text), F_OK), 0);
	assert_int_equal(access(path_of(QUEUE_INCOMING,
				    "12345ABC-yyyyyyyyyyyyyyyy"),
			     F_OK),
	    0);
	queue_close(q);
}

static void
names_are_told_from_others(void **state)
{
	static const struct {
		const char *name;
		const char *id;
	} cases[] = {
		{ "0A1B2C3D", "0A1B2C3D" },
		{ "0A1B2C3D-abcdefghijklmnop", "0A1B2C3D" },
		{ "3Zk0Zz1X2YzBcD-1700000000", "3Zk0Zz1X2YzBcD" },
		{ ".abcdefghijklmnop", NULL },
		{ "..", NULL },
		{ "12345", NULL },
		{ "0A1B2C3D-", NULL },
		{ "0A1B2C3D-a/b", NULL },
		{ "../../etc/passwd", NULL },
		{ "0A1B2C3D.old", NULL },
		{ "0A1B2C3D0A1B2C3D0A1B2C3D0A1B2C3D", NULL },
	};
	struct queue_id id;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool is = queue_name_id(cases[i].name, &id);

		assert_int_equal(is, cases[i].id != NULL);
		if (is)
			assert_string_equal(id.text, cases[i].id);
	}
}

static void
long_ids_have_postfix_form(void **state)
{
	struct why why;
	struct queue *q = queue_open(spool_dir, QUEUE_CREATE, true, &why);
	struct queue_name name = commit(q, SPAN("x\n"));
	struct queue_id id;

	(void)state;
	assert_true(queue_name_id(name.text, &id));
	assert_true(strlen(id.text) > 11);
	assert_int_equal(id.text[10], 'z');
	assert_null(strchr(id.text + 11, 'z'));
	assert_int_equal(strspn(id.text,
			     "0123456789BCDFGHJKLMNPQRSTVWXYZ"
			     "bcdfghjklmnpqrstvwxyz"),
	    strlen(id.text));
	queue_close(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(what_was_committed_is_loaded),
		SPOOL_TEST(a_message_larger_than_memory_is_the_same),
		SPOOL_TEST(what_is_not_committed_leaves_nothing),
		SPOOL_TEST(a_file_cut_anywhere_is_not_mail),
		SPOOL_TEST(a_flipped_bit_is_found),
		SPOOL_TEST(the_last_state_counts),
		SPOOL_TEST(a_torn_state_is_cut_by_the_next),
		SPOOL_TEST(a_thousand_states_are_read),
		SPOOL_TEST(a_message_moves_and_is_found),
		SPOOL_TEST(nothing_is_replaced_by_a_move),
		SPOOL_TEST(only_what_was_left_unfinished_is_cleared),
		TEST(names_are_told_from_others),
		SPOOL_TEST(long_ids_have_postfix_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
