/*
 * What a session does to its mailboxes, with every n-th system call failing or
 * being the last one. Then the mail is counted:
 *
 * - what was appended or copied with OK is there, whole;
 * - what was flagged or expunged with OK is so, unless the power was cut;
 * - no UID stands for two messages, neither on disk nor in what a client was
 *   told before;
 * - without its index a mailbox has the same messages.
 */
#include "faults.h"

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGES = 4,
	CALLS_MAX = 2000,
	UIDS_MAX = 64,
	BAD = 7, /* how a check ends that found something */
};

/* What a client had been told, in memory that outlives its server. */
static struct told {
	uint32_t uidvalidity[2]; /* INBOX, Other */
	uint32_t uid[2][MESSAGES];
	bool flagged;
	bool moving; /* the third is in one of the two, or in both */
	bool lied; /* OK to a copy of nothing */
	bool expunged;
} * told;

static char dir[64];
static enum fault_mode mode;
static unsigned nth;
static int error;

static const char *
path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static struct store_user *
open_user(struct store **s_r)
{
	struct why why;

	*s_r = store_open(dir, &why);
	return *s_r
	    ? store_user_open(*s_r, SPAN("alice/"), SPAN("Other=\\Sent"), &why)
	    : NULL;
}

static size_t
make_text(char text[4096], size_t i)
{
	size_t n = 500 + 700 * i;

	memset(text, 'a' + (int)i, n);
	text[n - 1] = '\n';
	return n;
}

static void
append(struct store_user *u, size_t i)
{
	static char text[4096];
	struct mbox_append *a;
	struct mbox_append_facts f = { .date = 1000000000 };
	uint32_t uidvalidity, uid;
	size_t n = make_text(text, i);

	if (mbox_append_begin(u, SPAN("INBOX"), &a) != STORE_OK)
		return;
	mbox_append_write(a, (struct span){ text, n });
	if (mbox_append_commit(a, &f, &uidvalidity, &uid) != STORE_OK)
		return;
	told->uidvalidity[0] = uidvalidity;
	told->uid[0][i] = uid;
}

/* Appends all, flags the first, copies the second, moves the third, expunges
 * the fourth. */
static void
live_in(struct store_user *u, struct mbox *m)
{
	struct uidset s = { 0 };
	struct mbox_copied c;

	for (size_t i = 0; i < MESSAGES; i++)
		append(u, i);
	struct mbox_changes changes;
	enum store_result r;
	if (mbox_sync(m, 0, &changes) != STORE_OK)
		return;
	uint32_t *uids = told->uid[0];
	if (uids[0])
		uidset_add(&s, uids[0], uids[0]);
	told->flagged = mbox_store_flags(m, &s, MBOX_FLAGS_ADD, STORE_FLAGGED,
			    0, NULL) == STORE_OK;
	for (size_t i = 1; i < 3; i++) {
		uidset_reset(&s);
		if (uids[i])
			uidset_add(&s, uids[i], uids[i]);
		told->moving = i == 2;
		r = i == 1 ? mbox_copy(m, &s, SPAN("Other"), &c)
			   : mbox_move(m, &s, SPAN("Other"), &c);
		if (c.to.n) {
			told->uidvalidity[1] = c.uidvalidity;
			told->uid[1][i] = c.to.ranges[0].first;
		}
		if (r == STORE_OK && uids[i] && !c.to.n)
			told->moving = told->lied = true;
		uidset_fini(&c.from);
		uidset_fini(&c.to);
	}
	uidset_reset(&s);
	if (uids[3])
		uidset_add(&s, uids[3], uids[3]);
	if (mbox_store_flags(m, &s, MBOX_FLAGS_SET, STORE_DELETED, 0, NULL) ==
		STORE_OK &&
	    mbox_expunge(m, &s) == STORE_OK)
		told->expunged = uids[3] != 0;
	uidset_fini(&s);
}

static void
live(void)
{
	struct store *s;
	struct store_user *u = open_user(&s);
	struct mbox *m = NULL;

	if (u && mbox_open(u, SPAN("INBOX"), 0, &m) == STORE_OK)
		live_in(u, m);
	mbox_close(m);
	store_user_close(u);
	store_close(s);
}

static void
complain(const char *what)
{
	fprintf(stderr, "%s (mode %u, error %d, call %u)\n", what,
	    (unsigned)mode, error, nth);
	_exit(BAD);
}

/* Which one it is, by all its bytes. */
static size_t
identify(struct mbox *m, uint32_t uid)
{
	static char want[4096], have[4096];
	uint64_t size;
	int fd;

	if (mbox_body(m, uid, &fd, &size) != STORE_OK)
		complain("a message without a file");
	ssize_t n = read(fd, have, sizeof(have));
	close(fd);
	for (size_t i = 0; i < MESSAGES; i++)
		if (n >= 0 && make_text(want, i) == (size_t)n &&
		    memcmp(want, have, (size_t)n) == 0)
			return i;
	complain("no whole message");
	return 0;
}

static bool
is_cut(void)
{
	return mode == FAULT_CUT_NAMES || mode == FAULT_CUT_DATA;
}

struct found {
	size_t n;
	bool there[MESSAGES];
	struct mbox_message rows[UIDS_MAX];
};

static void
check_box(struct store_user *u, unsigned box, struct found *f)
{
	struct mbox *m;
	bool *there = f->there;

	memset(there, 0, sizeof(f->there));
	if (mbox_open(u, box ? SPAN("Other") : SPAN("INBOX"), 0, &m) !=
	    STORE_OK) {
		if (box == 0 || told->uidvalidity[1])
			complain("a mailbox does not open");
		f->n = 0;
		return;
	}
	const struct mbox_message *rows = mbox_messages(m, &f->n);
	if (f->n > UIDS_MAX)
		complain("too much mail");
	memcpy(f->rows, rows, f->n * sizeof(*rows));
	bool same = mbox_uidvalidity(m) == told->uidvalidity[box];
	for (size_t k = 0; k < f->n; k++) {
		size_t i = identify(m, rows[k].uid);

		there[i] = true;
		for (size_t o = 0; same && o < MESSAGES; o++)
			if (told->uid[box][o] == rows[k].uid && o != i)
				complain("a UID of two messages");
		if (box == 0 && i == 0 && told->flagged && told->uid[0][0] &&
		    !is_cut() && !(rows[k].flags & STORE_FLAGGED))
			complain("a flag is lost");
		if (box == 0 && i == 3 && told->expunged && !is_cut())
			complain("what was expunged is back");
	}
	for (size_t i = 0; i < MESSAGES; i++)
		if (told->uid[box][i] && !there[i] &&
		    !(box == 0 && (i == 3 || (i == 2 && told->moving))))
			complain("a message is lost");
	mbox_close(m);
}

static void
use_another_boot(void)
{
	static char boot[512];
	static const char id[] = "00000000-1111-2222-3333-444444444444\n";

	snprintf(boot, sizeof(boot), "%s", path_of("boot"));
	int fd = open(boot, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, id, sizeof(id)) != sizeof(id))
		die("%s: %s", boot, strerror(errno));
	close(fd);
	fault_set_boot(boot);
}

static void
check(void)
{
	static struct found before[2], after;
	struct store *s;

	fault_set(FAULT_NONE, 0, 0);
	if (is_cut())
		use_another_boot();
	struct store_user *u = open_user(&s);
	if (!u)
		complain("the mail does not open");
	check_box(u, 0, &before[0]);
	check_box(u, 1, &before[1]);
	if (told->lied ||
	    (told->uid[0][2] && !before[0].there[2] && !before[1].there[2]))
		complain("a message is lost on its way");
	store_user_close(u);
	store_close(s);
	unlink(path_of("alice/postrider-index/data.mdb"));
	u = open_user(&s);
	for (unsigned i = 0; i < 2; i++) {
		check_box(u, i, &after);
		if (after.n != before[i].n)
			complain("the index knew another number");
		for (size_t k = 0; k < after.n; k++)
			if (after.rows[k].uid != before[i].rows[k].uid ||
			    after.rows[k].flags != before[i].rows[k].flags ||
			    after.rows[k].size != before[i].rows[k].size ||
			    after.rows[k].date != before[i].rows[k].date)
				complain("the index knew another message");
	}
	store_user_close(u);
	store_close(s);
}

static int
in_child(void (*fn)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		fn();
		_exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
live_with_fault(void)
{
	fault_set(mode, nth, error);
	live();
	/* Whether there was an n-th. */
	_exit(fault_count() < nth ? 1 : 0);
}

/* Every n, until there is none. Returns how many there were. */
static unsigned
try_all(enum fault_mode m, int e, const char *name)
{
	mode = m;
	error = e;
	for (nth = 1; nth < CALLS_MAX; nth++) {
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		if (mkdir(dir, 0700) < 0)
			die("%s: %s", dir, strerror(errno));
		memset(told, 0, sizeof(*told));
		int status = in_child(live_with_fault);
		if (status != 0 && status != 1 && status != FAULT_EXIT)
			die("%s at call %u: a crash", name, nth);
		if (in_child(check) != EXIT_SUCCESS)
			die("%s at call %u: not as it should be", name, nth);
		if (status == 1)
			break;
	}
	printf("%s: %u calls\n", name, nth - 1);
	return nth - 1;
}

/* At any moment, so inside the index's own system calls too. */
static unsigned
kill_at_random(unsigned times)
{
	unsigned seed = 1;

	mode = FAULT_KILL;
	error = 0;
	for (nth = 0; nth < times; nth++) {
		struct timespec t = { 0 };
		pid_t child;

		seed = seed * 1103515245 + 12345;
		t.tv_nsec = (long)(seed >> 8) % 3000000;
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		if (mkdir(dir, 0700) < 0)
			die("%s: %s", dir, strerror(errno));
		memset(told, 0, sizeof(*told));
		fflush(NULL);
		child = fork();
		if (child == 0) {
			fault_set(FAULT_NONE, 0, 0);
			live();
			_exit(EXIT_SUCCESS);
		}
		nanosleep(&t, NULL);
		if (child < 0 || kill(child, SIGKILL) < 0 ||
		    waitpid(child, NULL, 0) != child)
			die("fork: %s", strerror(errno));
		if (in_child(check) != EXIT_SUCCESS)
			die("killed at random, %u: not as it should be", nth);
	}
	printf("killed at random: %u times\n", times);
	return times;
}

int
main(void)
{
	/* In memory, if there is such a place: what a disk does is a model. */
	snprintf(dir, sizeof(dir), "%s/postrider-fault-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir))
		die("mkdtemp: %s", strerror(errno));
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		die("mmap: %s", strerror(errno));

	unsigned n = try_all(FAULT_ERROR, EIO, "EIO");
	n += try_all(FAULT_ERROR, ENOSPC, "ENOSPC");
	n += try_all(FAULT_KILL, 0, "killed");
	n += try_all(FAULT_CUT_NAMES, 0, "power cut, names lost");
	n += try_all(FAULT_CUT_DATA, 0, "power cut, data lost");
	n += kill_at_random(300);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	printf("%u faults\n", n);
	return n > 500 ? EXIT_SUCCESS : EXIT_FAILURE;
}
