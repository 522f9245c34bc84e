/*
 * What a mailbox of many messages costs: reading its folder, opening it from the
 * index, listing it, changing flags, deliveries. Prints a line each; processor
 * time, since what the disk does is another matter.
 *
 *	bench-store [MESSAGES [FOLDER]]
 */
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static double
cpu_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void
report(const char *what, double since, unsigned n)
{
	double ms = cpu_ms() - since;

	printf("%-40s %10.3f ms %10.2f us each\n", what, ms, ms * 1e3 / n);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
fill(const char *dir, unsigned n)
{
	char path[512];
	static const char *const folders[] = { "alice", "alice/cur",
		"alice/new", "alice/tmp" };

	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		mkdir(path, 0700);
	}
	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path),
		    "%s/alice/cur/1700000000.M%06uP1Q%u.host,S=5,W=6:2,S", dir,
		    i, i);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);
		must(fd >= 0 && write(fd, "a: b\n", 5) == 5);
		close(fd);
	}
}

static struct mbox *
open_inbox(struct store_user *u)
{
	struct mbox *m;

	must(mbox_open(u, SPAN("INBOX"), 0, &m) == STORE_OK);
	return m;
}

static void
list(const struct mbox *m)
{
	size_t n;
	const struct mbox_message *rows = mbox_messages(m, &n);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += rows[i].uid + rows[i].flags + rows[i].size;
	must(sum);
}

static void
deliver(struct store *s, const char *dir, unsigned n, const char *to)
{
	static char text[4096];
	char path[512];

	memset(text, 'x', sizeof(text));
	snprintf(path, sizeof(path), "%s/content", dir);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	must(fd >= 0 && write(fd, text, sizeof(text)) == sizeof(text));
	for (unsigned i = 0; i < n; i++) {
		struct store_content c = { .fd = fd,
			.length = sizeof(text),
			.checksum = (uint32_t)crc32_z(0,
			    (const unsigned char *)text, sizeof(text)) };
		struct store_target t = { .mailbox = { to, strlen(to) } };

		store_deliver(s, &c, &t, 1);
		must(t.result == STORE_OK);
	}
	close(fd);
}

static void
measure(struct store *s, struct store_user *u, const char *dir, unsigned n)
{
	struct mbox_changes c;
	struct uidset some = { 0 };
	double t = cpu_ms();
	struct mbox *m = open_inbox(u);

	report("open, each file renamed to have its UID", t, n);
	must(mbox_sync(m, 0, &c) == STORE_OK);
	mbox_close(m);
	t = cpu_ms();
	for (unsigned i = 0; i < 100; i++)
		mbox_close(open_inbox(u));
	report("open from the index, 100 times", t, 100);
	m = open_inbox(u);
	t = cpu_ms();
	list(m);
	report("list all", t, n);
	t = cpu_ms();
	for (unsigned i = 0; i < 10000; i++)
		must(mbox_sync(m, 0, &c) == STORE_OK);
	report("sync of what did not change, 10000 times", t, 10000);
	uidset_add(&some, 1, 1000);
	t = cpu_ms();
	must(mbox_store_flags(m, &some, MBOX_FLAGS_ADD, STORE_FLAGGED, 0,
		 NULL) == STORE_OK);
	report("flag 1000", t, 1000);
	t = cpu_ms();
	must(mbox_sync(m, 0, &c) == STORE_OK);
	report("sync with 1000 changes, a folder read", t, 1);
	deliver(s, dir, 1, "bob/");
	t = cpu_ms();
	deliver(s, dir, 1000, "bob/");
	report("deliver 1000, no index", t, 1000);
	deliver(s, dir, 1, "alice/");
	t = cpu_ms();
	deliver(s, dir, 1000, "alice/");
	report("deliver 1000, with the index", t, 1000);
	t = cpu_ms();
	must(mbox_sync(m, 0, &c) == STORE_OK);
	report("sync with 1000 new", t, 1000);
	mbox_close(m);
	uidset_fini(&some);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;
	char dir[256], path[512];
	struct why why;

	snprintf(dir, sizeof(dir), "%s/postrider-bench-XXXXXX",
	    argc > 2 ? argv[2] : "/tmp");
	must(n && mkdtemp(dir));
	fill(dir, n);
	struct store *s = store_open(dir, &why);
	must(s);
	struct store_user *u = store_user_open(s, SPAN("alice/"), SPAN(""),
	    &why);
	must(u);
	measure(s, u, dir, n);
	store_user_close(u);
	store_close(s);
	snprintf(path, sizeof(path), "%s/alice/postrider-index", dir);
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	s = store_open(dir, &why);
	u = store_user_open(s, SPAN("alice/"), SPAN(""), &why);
	double t = cpu_ms();
	mbox_close(open_inbox(u));
	report("make the index anew", t, n);
	store_user_close(u);
	store_close(s);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
