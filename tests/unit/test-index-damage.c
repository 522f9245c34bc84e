/*
 * A damaged index is noticed before it can harm: who opens it has the right
 * answers, may write, and lives, as do the others whose mail he reads.
 */
#include "mail.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MESSAGES = 300,
	DAMAGES = 300,
	PAGE = 4096,
	WRONG = 7,
};

static struct mbox_message want[MESSAGES];

static char clean[4 << 20], damaged[4 << 20];
static size_t clean_n;
static char stamp[8192];
static size_t stamp_n;

static unsigned seed = 4711;

static unsigned
draw(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static const char *
index_path(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "mail/alice/postrider-index/%s", name);
	return spool_path(path);
}

static void
fill(void)
{
	struct mbox *m;
	size_t n;
	char bytes[64];

	mail_open(SPAN(""));
	for (int i = 0; i < MESSAGES; i++)
		mail_deliver("alice/", SPAN("a: b\n\nx\n"));
	mail_open_box("INBOX", 0, &m);
	const struct mbox_message *rows = mbox_messages(m, &n);
	assert_int_equal(n, MESSAGES);
	memcpy(want, rows, sizeof(want));
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct span s = { bytes,
			(size_t)snprintf(bytes, sizeof(bytes), "cache of %u",
			    uid) };

		mbox_cache_put(m, uid, MBOX_CACHE_ENVELOPE, s);
	}
	mbox_close(m);
	mail_close();
	struct span s = spool_read(index_path("data.mdb"));
	memcpy(clean, s.p, s.n);
	clean_n = s.n;
	s = spool_read(index_path("open"));
	memcpy(stamp, s.p, s.n);
	stamp_n = s.n;
}

/* A page of zeros, or noise in the heads of pages, or anywhere, or an end. */
static size_t
damage(unsigned how)
{
	size_t n = clean_n;
	unsigned pages = (unsigned)(clean_n / PAGE);

	memcpy(damaged, clean, clean_n);
	switch (how % 4) {
	case 0:
		memset(damaged + draw(pages) * (size_t)PAGE, 0, PAGE);
		break;
	case 1:
		for (unsigned i = 0; i < 40; i++)
			damaged[draw(pages) * (size_t)PAGE + draw(64)] = (char)
			    draw(256);
		break;
	case 2:
		for (unsigned i = 0; i < 40; i++)
			damaged[draw((unsigned)clean_n)] = (char)draw(256);
		break;
	default:
		n = draw((unsigned)clean_n);
	}
	return n;
}

static void
check(bool ok)
{
	if (!ok)
		_exit(WRONG);
}

static void
check_messages(struct mbox *m)
{
	size_t n;
	const struct mbox_message *rows = mbox_messages(m, &n);

	check(n == MESSAGES);
	for (size_t i = 0; i < n; i++)
		check(rows[i].uid == want[i].uid &&
		    rows[i].flags == want[i].flags &&
		    rows[i].size == want[i].size &&
		    rows[i].date == want[i].date);
}

static void
check_caches(struct mbox *m)
{
	struct arena *a = arena_new(1 << 20);
	char bytes[64];

	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct span s;
		int n = snprintf(bytes, sizeof(bytes), "cache of %u", uid);

		if (mbox_cache_get(m, uid, MBOX_CACHE_ENVELOPE, a, &s) ==
		    STORE_OK)
			check(span_eq(s, (struct span){ bytes, (size_t)n }));
	}
	arena_free(a);
}

/* Pages are taken, split and given back. */
static void
write_all(struct mbox *m)
{
	char bytes[512];

	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct span s = { bytes, uid * 7 % sizeof(bytes) };

		memset(bytes, 'x', sizeof(bytes));
		mbox_cache_put(m, uid, MBOX_CACHE_STRUCTURE, s);
	}
}

/* In a process of its own. */
static void
read_all(void)
{
	struct why why;
	struct mbox *m;
	struct mbox_changes c;
	struct store_status st;
	struct store *s = store_open(spool_path("mail"), &why);
	struct store_user *u = s
	    ? store_user_open(s, SPAN("alice/"), SPAN(""), &why)
	    : NULL;

	check(u && store_status(u, SPAN("INBOX"), &st) == STORE_OK);
	check(st.messages == MESSAGES && st.unseen == MESSAGES);
	check(mbox_open(u, SPAN("INBOX"), 0, &m) == STORE_OK);
	check_messages(m);
	for (uint32_t uid = 1; uid <= MESSAGES; uid += 7) {
		uint64_t size;
		int fd;

		check(mbox_body(m, uid, &fd, &size) == STORE_OK && size == 8);
		close(fd);
	}
	check_caches(m);
	check(mbox_sync(m, 0, &c) == STORE_OK);
	check(c.expunged_n == 0 && c.flagged_n == 0);
	check_messages(m);
	write_all(m);
	check_caches(m);
	mbox_close(m);
	store_user_close(u);
	store_close(s);
}

/* 0, WRONG, or anything else if it died. */
static int
in_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		alarm(30);
		if (!freopen("/dev/null", "w", stderr))
			_exit(WRONG);
		read_all();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
no_damage_harms(void **state)
{
	(void)state;
	fill();
	for (unsigned i = 0; i < DAMAGES; i++) {
		size_t n = damage(i);

		spool_write(index_path("data.mdb"),
		    (struct span){ damaged, n });
		spool_write(index_path("open"),
		    (struct span){ stamp, stamp_n });
		remove(index_path("lock.mdb"));
		assert_int_equal(in_child(), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(no_damage_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
