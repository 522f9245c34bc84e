/*
 * Takes in messages, delivers them, with every n-th system call failing or being
 * the last one; then recovers and counts the mail:
 *
 * - a message whose commit returned 0 is in each mailbox once or twice;
 * - one whose commit failed is in none;
 * - what is in a mailbox is a whole message, byte for byte;
 * - no two have the same UID.
 */
#include "faults.h"

#include "queue/queue.h"
#include "store/deliver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MESSAGES = 4,
	RCPTS = 2,
	LARGE = 150000,
	CALLS_MAX = 2000,
};

/* What a process had been told before its end. */
enum fate {
	UNKNOWN,
	COMMITTED,
	FAILED,
};

static volatile unsigned char *fates; /* shared with the child */
static char dir[64];
static char contents[MESSAGES][LARGE];
static size_t content_n[MESSAGES];
static const char head[] = "Delivered-To: x\n";

static const struct queue_rcpt rcpts[RCPTS] = {
	{ .addr = SPAN_INIT("a@demo.test"), .orig = SPAN_INIT("box0/") },
	{ .addr = SPAN_INIT("b@demo.test"), .orig = SPAN_INIT("box1/") },
};

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

static void
make_folders(void)
{
	static const char *const names[] = { "", "incoming", "deferred", "hold",
		"corrupt", "mail" };

	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (mkdir(path_of(names[i]), 0700) < 0)
			die("%s: %s", path_of(names[i]), strerror(errno));
}

/* Small ones, and one that goes to the file in pieces. */
static void
make_contents(void)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t n = i == 1 ? LARGE : 100 + i * 1000;

		for (size_t k = 0; k < n; k++)
			contents[i][k] = (char)(k % 61 == 60
				? '\n'
				: 'a' + (k * 7 + i) % 26);
		contents[i][0] = (char)('0' + i);
		content_n[i] = n;
	}
}

static enum fate
take_in(struct queue *q, size_t i)
{
	struct queue_envelope e = { .arrived = 1, .sender = SPAN("s@x") };
	struct queue_writer *w CLEANUP(
	    queue_writer_freep) = queue_writer_new(q, 65536);
	struct queue_id id;
	struct queue_name name;

	for (size_t at = 0, n; at < content_n[i]; at += n) {
		n = content_n[i] - at < 30000 ? content_n[i] - at : 30000;
		struct span s = { contents[i] + at, n };
		if (queue_put(w, s))
			continue;
		if (queue_flush(w) < 0 || !queue_put(w, s))
			return FAILED;
	}
	return queue_commit(w, &e, rcpts, RCPTS, &id, &name) == 0 ? COMMITTED
								  : FAILED;
}

/* A pass over a folder of the queue. */
struct pass {
	struct queue *q;
	struct store *s;
	enum queue_place place;
	size_t most; /* recipients of one message to deliver to; then defer */
};

static enum queue_verdict
deliver_to(struct store *s, const struct queue_message *m, int fd, size_t i)
{
	struct store_content c = { fd, m->content_offset, m->content_length,
		m->content_checksum };
	struct store_target t = { .mailbox = m->rcpts[i].orig,
		.head = { head, sizeof(head) - 1 } };

	store_deliver(s, &c, &t, 1);
	return t.result == STORE_OK ? QUEUE_SENT : QUEUE_DELAYED;
}

static void
settle(struct pass *p, const char *name, const struct queue_state *states,
    size_t n, bool all)
{
	struct queue_name new;

	if (all) {
		if (queue_remove(p->q, p->place, name) < 0)
			return;
	} else if (queue_append_states(p->q, p->place, name, states, n) == 0 &&
	    queue_move(p->q, p->place, name, QUEUE_DEFERRED, 1, &new) < 0) {
		return;
	}
	if (queue_sync(p->q) < 0)
		return;
}

static bool
handle_one(const char *name, int64_t due, void *arg)
{
	struct pass *p = arg;
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct queue_state states[RCPTS];
	struct queue_message m;
	struct queue_name new;
	bool all = true;
	size_t tried = 0;
	int fd;
	int err = queue_load(p->q, p->place, name, a, &m, &fd);

	(void)due;
	if (err == -EBADMSG &&
	    queue_move(p->q, p->place, name, QUEUE_CORRUPT, 0, &new) < 0)
		return true;
	if (err)
		return true;
	for (size_t i = 0; i < m.n; i++) {
		states[i] = (struct queue_state){ .rcpt = (uint32_t)i,
			.verdict = m.states[i].verdict };
		if (states[i].verdict == QUEUE_SENT)
			continue;
		states[i].verdict = tried++ < p->most
		    ? deliver_to(p->s, &m, fd, i)
		    : QUEUE_DELAYED;
		if (states[i].verdict != QUEUE_SENT)
			all = false;
	}
	close(fd);
	settle(p, name, states, m.n, all);
	return true;
}

static void
run_queue(enum queue_place place, size_t most)
{
	struct why why;
	struct pass p = { .place = place, .most = most };

	p.q = queue_open(dir, QUEUE_OWN, false, &why);
	p.s = store_open(path_of("mail"), &why);
	if (p.q && p.s && queue_scan(p.q, place, handle_one, &p) < 0)
		fprintf(stderr, "a scan failed\n");
	queue_close(p.q);
	store_close(p.s);
}

/* The life of some messages: what a suite does in many processes. */
static void
live(void)
{
	struct why why;
	struct queue *q = queue_open(dir, QUEUE_CREATE, false, &why);

	for (size_t i = 0; i < MESSAGES; i++)
		fates[i] = (unsigned char)(q ? take_in(q, i) : FAILED);
	queue_close(q);
	run_queue(QUEUE_INCOMING, 1);
	run_queue(QUEUE_DEFERRED, RCPTS);
}

static void
complain(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s\n", what, name);
	exit(EXIT_FAILURE);
}

/* Which message a file of a mailbox is. */
static size_t
identify(const char *path)
{
	static char bytes[LARGE + 1000];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	size_t n = got < 0 ? 0 : (size_t)got;
	size_t h = sizeof(head) - 1;

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < MESSAGES; i++)
		if (n == h + content_n[i] && memcmp(bytes, head, h) == 0 &&
		    memcmp(bytes + h, contents[i], content_n[i]) == 0)
			return i;
	complain("no whole message", path);
	return 0;
}

static void
count_box(const char *box, unsigned counts[MESSAGES])
{
	static char uids[64][64];
	size_t uids_n = 0;
	const struct dirent *e;
	DIR *d = opendir(box);

	memset(counts, 0, MESSAGES * sizeof(*counts));
	while (d && (e = readdir(d))) {
		char path[1024];
		const char *uid = strstr(e->d_name, ",P");

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", box, e->d_name);
		counts[identify(path)]++;
		for (size_t i = 0; uid && i < uids_n; i++)
			if (strcmp(uids[i], uid) == 0)
				complain("a UID given twice", path);
		if (!uid || uids_n == COUNT_OF(uids))
			complain("no UID, or too much mail", path);
		snprintf(uids[uids_n++], sizeof(uids[0]), "%s", uid);
	}
	if (d)
		closedir(d);
}

static void
check(const char *label)
{
	for (unsigned box = 0; box < RCPTS; box++) {
		unsigned counts[MESSAGES];
		char name[64];

		snprintf(name, sizeof(name), "mail/box%u/new", box);
		count_box(path_of(name), counts);
		for (size_t i = 0; i < MESSAGES; i++) {
			if (fates[i] == COMMITTED && counts[i] == 0)
				complain("lost", label);
			if (fates[i] == FAILED && counts[i] > 0)
				complain("refused and delivered", label);
			if (counts[i] > 2)
				complain("more than twice", label);
		}
	}
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

static enum fault_mode mode;
static unsigned nth;
static int error;

static void
live_with_fault(void)
{
	fault_set(mode, nth, error);
	live();
	/* Whether there was an n-th. */
	_exit(fault_count() < nth ? 1 : 0);
}

static void
recover(void)
{
	static char boot[512];
	static const char id[] = "00000000-1111-2222-3333-444444444444\n";

	if (mode == FAULT_CUT_NAMES || mode == FAULT_CUT_DATA) {
		snprintf(boot, sizeof(boot), "%s", path_of("boot"));
		int fd = open(boot, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || write(fd, id, sizeof(id)) != sizeof(id))
			die("%s: %s", boot, strerror(errno));
		close(fd);
		fault_set_boot(boot);
	}
	fault_set(FAULT_NONE, 0, 0);
	run_queue(QUEUE_INCOMING, RCPTS);
	run_queue(QUEUE_DEFERRED, RCPTS);
}

/* Every n, until there is none. Returns how many there were. */
static unsigned
try_all(enum fault_mode m, int e, const char *name)
{
	char label[64];

	mode = m;
	error = e;
	for (nth = 1; nth < CALLS_MAX; nth++) {
		snprintf(label, sizeof(label), "%s at call %u", name, nth);
		make_folders();
		memset((void *)(uintptr_t)fates, UNKNOWN, MESSAGES);
		int status = in_child(live_with_fault);
		if (status != 0 && status != 1 && status != FAULT_EXIT)
			complain("a crash", label);
		if (in_child(recover) != EXIT_SUCCESS)
			complain("recovery failed", label);
		check(label);
		if (status == 1)
			break;
	}
	printf("%s: %u calls\n", name, nth - 1);
	return nth - 1;
}

int
main(void)
{
	/* In memory, if there is such a place: what a disk does is a model. */
	snprintf(dir, sizeof(dir), "%s/postrider-fault-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir))
		die("mkdtemp: %s", strerror(errno));
	fates = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fates == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	make_contents();

	unsigned n = try_all(FAULT_ERROR, EIO, "EIO");
	n += try_all(FAULT_ERROR, ENOSPC, "ENOSPC");
	n += try_all(FAULT_ERROR, EMFILE, "EMFILE");
	n += try_all(FAULT_KILL, 0, "killed");
	n += try_all(FAULT_CUT_NAMES, 0, "power cut, names lost");
	n += try_all(FAULT_CUT_DATA, 0, "power cut, data lost");
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	printf("%u faults\n", n);
	return n > 500 ? EXIT_SUCCESS : EXIT_FAILURE;
}
