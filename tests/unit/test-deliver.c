#include "base/clock.h"
#include "store/box.h"
#include "store/deliver.h"

#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <zlib.h>

static const struct span text = SPAN_INIT("Subject: x\n\nline\n\0\r\xff\n");

static struct store *
open_store(void)
{
	struct why why;
	struct store *s = store_open(spool_path("mail"), &why);

	assert_non_null(s);
	return s;
}

static struct store_content
make_content(struct span s)
{
	int fd = open(spool_path("content"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, "junk", 4) == 4);
	assert_true(write(fd, s.p, s.n) == (ssize_t)s.n);
	return (struct store_content){
		.fd = fd,
		.offset = 4,
		.length = s.n,
		.checksum = (uint32_t)crc32_z(0, (const unsigned char *)s.p,
		    s.n),
	};
}

/* The only name in a folder; "" if there is none. */
static const char *
only_name(const char *folder, unsigned *n_r)
{
	static char name[256];
	DIR *dir = opendir(spool_path(folder));
	const struct dirent *e;

	*n_r = 0;
	name[0] = '\0';
	if (!dir)
		return name;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s", e->d_name);
		++*n_r;
	}
	closedir(dir);
	return name;
}

static unsigned
count_in(const char *folder)
{
	unsigned n;

	only_name(folder, &n);
	return n;
}

static void
a_message_lands_with_its_name(void **state)
{
	struct store *s = open_store();
	struct store_content c = make_content(text);
	struct store_target t = { .mailbox = SPAN("demo.test/alice/"),
		.head = SPAN("Return-Path: <a@b>\n") };
	char end[128], path[512];
	struct stat st;
	unsigned n;

	(void)state;
	store_deliver(s, &c, &t, 1);
	assert_int_equal(t.result, STORE_OK);
	assert_int_equal(t.uid, 1);
	assert_int_equal(count_in("mail/demo.test/alice/tmp"), 0);
	const char *name = only_name("mail/demo.test/alice/new", &n);
	assert_int_equal(n, 1);
	snprintf(end, sizeof(end), ",S=%zu,W=%zu,P%" PRIu32 ".1",
	    t.head.n + text.n, t.head.n + text.n + 5, t.uidvalidity);
	assert_true(strlen(name) > strlen(end));
	assert_string_equal(name + strlen(name) - strlen(end), end);

	snprintf(path, sizeof(path), "mail/demo.test/alice/new/%s", name);
	struct span file = spool_read(spool_path(path));
	assert_int_equal(file.n, t.head.n + text.n);
	assert_span(((struct span){ file.p, t.head.n }), t.head);
	assert_span(((struct span){ file.p + t.head.n, text.n }), text);
	assert_int_equal(stat(spool_path("mail/demo.test/alice/cur"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(c.fd);
	store_close(s);
}

static void
a_large_message_and_an_empty_one_land(void **state)
{
	static char big[300000];
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072,
		sizeof(big) };
	struct store *s = open_store();

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct span want = { big, sizes[i] };
		struct store_content c = make_content(want);
		struct store_target t = { .mailbox = SPAN("bob/") };
		char path[512];
		unsigned n;

		store_deliver(s, &c, &t, 1);
		assert_int_equal(t.result, STORE_OK);
		snprintf(path, sizeof(path), "mail/bob/new/%s",
		    only_name("mail/bob/new", &n));
		assert_int_equal(n, 1);
		assert_span(spool_read(spool_path(path)), want);
		unlink(spool_path(path));
		close(c.fd);
	}
	store_close(s);
}

static void
damaged_content_never_becomes_mail(void **state)
{
	struct store *s = open_store();
	struct store_content c = make_content(text);
	struct store_target t = { .mailbox = SPAN("alice/") };

	(void)state;
	c.checksum++;
	store_deliver(s, &c, &t, 1);
	assert_int_equal(t.result, STORE_CORRUPT);
	c.checksum--;
	c.length++; /* more than there is */
	store_deliver(s, &c, &t, 1);
	assert_int_equal(t.result, STORE_CORRUPT);
	assert_int_equal(count_in("mail/alice/new"), 0);
	assert_int_equal(count_in("mail/alice/tmp"), 0);
	close(c.fd);
	store_close(s);
}

static void
paths_stay_below_the_root(void **state)
{
	static const struct span bad[] = {
		SPAN_INIT(""), SPAN_INIT("/"), SPAN_INIT("alice"), /* an mbox */
		SPAN_INIT("../mail/alice/"), SPAN_INIT("a/../b/"),
		SPAN_INIT("a/./b/"), SPAN_INIT("a\0b/"),
		SPAN_INIT("out/alice/"), /* a link out of the root */
		SPAN_INIT("in/alice/"), /* a link at all */
	};
	struct store *s = open_store();
	struct store_content c = make_content(text);

	(void)state;
	assert_int_equal(symlink(spool_dir, spool_path("mail/out")), 0);
	assert_int_equal(mkdir(spool_path("mail/real"), 0700), 0);
	assert_int_equal(symlink("real", spool_path("mail/in")), 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct store_target t = { .mailbox = bad[i] };

		store_deliver(s, &c, &t, 1);
		assert_int_equal(t.result, STORE_TEMPFAIL);
		assert_true(t.why.text[0]);
	}
	assert_int_equal(count_in("mail/real"), 0);
	struct store_target t = { .mailbox = SPAN("/alice//") };
	store_deliver(s, &c, &t, 1);
	assert_int_equal(t.result, STORE_OK);
	assert_int_equal(count_in("mail/alice/new"), 1);
	close(c.fd);
	store_close(s);
}

static void
targets_with_one_head_share_a_file(void **state)
{
	struct store *s = open_store();
	struct store_content c = make_content(text);
	struct store_target t[3] = {
		{ .mailbox = SPAN("a/"), .head = SPAN("H: 1\n") },
		{ .mailbox = SPAN("b/"), .head = SPAN("H: 2\n") },
		{ .mailbox = SPAN("c/"), .head = SPAN("H: 1\n") },
	};
	char path[512];
	struct stat st[3];
	unsigned n;

	(void)state;
	store_deliver(s, &c, t, 3);
	for (size_t i = 0; i < 3; i++) {
		char folder[16];

		assert_int_equal(t[i].result, STORE_OK);
		snprintf(folder, sizeof(folder), "mail/%c/new",
		    (char)('a' + i));
		snprintf(path, sizeof(path), "%s/%s", folder,
		    only_name(folder, &n));
		assert_int_equal(n, 1);
		assert_int_equal(stat(spool_path(path), &st[i]), 0);
	}
	assert_int_equal(st[0].st_ino, st[2].st_ino);
	assert_int_not_equal(st[0].st_ino, st[1].st_ino);
	close(c.fd);
	store_close(s);
}

static void
deliver_one(struct store *s, struct span mailbox, struct store_target *t_r)
{
	struct store_content c = make_content(text);

	*t_r = (struct store_target){ .mailbox = mailbox };
	store_deliver(s, &c, t_r, 1);
	assert_int_equal(t_r->result, STORE_OK);
	close(c.fd);
}

static void
a_mailbox_that_was_replaced_is_noticed(void **state)
{
	struct store *s = open_store();
	struct store_target t;

	(void)state;
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(rename(spool_path("mail/alice"),
			     spool_path("mail/old")),
	    0);
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, 1);
	assert_int_equal(count_in("mail/alice/new"), 1);
	assert_int_equal(count_in("mail/old/new"), 1);
	assert_int_equal(count_in("mail/old/tmp"), 0);
	spool_remove(spool_path("mail/alice"));
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(count_in("mail/alice/new"), 1);
	store_close(s);
}

static void
a_uid_file_that_was_removed_is_noticed_within_a_second(void **state)
{
	struct store *s = open_store();
	struct store_target t;

	(void)state;
	deliver_one(s, SPAN("alice/"), &t);
	uint32_t before = t.uidvalidity;
	int64_t removed = clock_mono();
	assert_int_equal(unlink(spool_path("mail/alice/postrider-uid")), 0);
	do {
		pause_ms(50);
		deliver_one(s, SPAN("alice/"), &t);
	} while (t.uidvalidity == before && clock_mono() - removed < 10000);
	assert_int_not_equal(t.uidvalidity, before);
	assert_int_equal(t.uid, 1);
	store_close(s);
}

static void
a_folder_of_it_that_was_put_aside_is_noticed(void **state)
{
	struct store *s = open_store();
	struct store_target t;

	(void)state;
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(rename(spool_path("mail/alice/new"),
			     spool_path("mail/aside")),
	    0);
	assert_int_equal(mkdir(spool_path("mail/alice/new"), 0700), 0);
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, 3); /* 2 was taken before it was seen */
	assert_int_equal(count_in("mail/alice/new"), 1);
	assert_int_equal(count_in("mail/aside"), 1);
	store_close(s);
}

static void
uids_go_on_and_damage_changes_their_validity(void **state)
{
	struct store *s = open_store();
	struct store_target first, t;
	char line[UIDFILE_LINE];

	(void)state;
	deliver_one(s, SPAN("alice/"), &first);
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, 2);
	store_close(s);
	s = open_store();
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, 3);
	assert_int_equal(t.uidvalidity, first.uidvalidity);

	struct span old = spool_read(spool_path("mail/alice/postrider-uid"));
	assert_int_equal(old.n, UIDFILE_LINE);
	memcpy(line, old.p, old.n);
	line[60] ^= 1;
	spool_write(spool_path("mail/alice/postrider-uid"),
	    (struct span){ line, sizeof(line) });
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, 1);
	assert_true(t.uidvalidity > first.uidvalidity);
	store_close(s);
}

/* More mailboxes than handles are kept, twice around. */
static void
handles_are_kept_within_bounds(void **state)
{
	struct store *s = open_store();
	struct store_target t;

	(void)state;
	for (unsigned i = 0; i < 2 * (BOX_MAX + 20); i++) {
		char mailbox[16];

		snprintf(mailbox, sizeof(mailbox), "m%u/", i % (BOX_MAX + 20));
		deliver_one(s, (struct span){ mailbox, strlen(mailbox) }, &t);
		assert_int_equal(t.uid, 1 + i / (BOX_MAX + 20));
	}
	assert_true(s->unused_n <= BOX_MAX);
	store_close(s);
}

enum {
	THREADS = 8,
	EACH = 50,
};

static void *
deliver_many(void *arg)
{
	struct store *s = arg;
	int fd = open(spool_path("content"), O_RDONLY);
	struct store_content c = {
		.fd = fd,
		.offset = 4,
		.length = text.n,
		.checksum = (uint32_t)crc32_z(0, (const unsigned char *)text.p,
		    text.n),
	};
	uintptr_t bad = 0;

	for (unsigned i = 0; i < EACH; i++) {
		struct store_target t = { .mailbox = SPAN("alice/") };

		store_deliver(s, &c, &t, 1);
		bad += t.result != STORE_OK;
	}
	close(fd);
	return (void *)bad;
}

static void
threads_share_a_mailbox(void **state)
{
	struct store *s = open_store();
	struct store_content c = make_content(text);
	struct store_target t;
	pthread_t threads[THREADS];
	void *bad;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, deliver_many,
				     s),
		    0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	deliver_one(s, SPAN("alice/"), &t);
	assert_int_equal(t.uid, THREADS * EACH + 1);
	assert_int_equal(count_in("mail/alice/new"), THREADS * EACH + 1);
	close(c.fd);
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(a_message_lands_with_its_name),
		SPOOL_TEST(a_large_message_and_an_empty_one_land),
		SPOOL_TEST(damaged_content_never_becomes_mail),
		SPOOL_TEST(paths_stay_below_the_root),
		SPOOL_TEST(targets_with_one_head_share_a_file),
		SPOOL_TEST(a_mailbox_that_was_replaced_is_noticed),
		SPOOL_TEST(
		    a_uid_file_that_was_removed_is_noticed_within_a_second),
		SPOOL_TEST(a_folder_of_it_that_was_put_aside_is_noticed),
		SPOOL_TEST(uids_go_on_and_damage_changes_their_validity),
		SPOOL_TEST(handles_are_kept_within_bounds),
		SPOOL_TEST(threads_share_a_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
