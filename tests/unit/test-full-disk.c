#include "mail.h"

#include "store/box.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum {
	DISK = 4 << 20,
	PAGE = 4096,
	ROOM_MAX = 48, /* pages that are left */
	MAILS = 20,
	SKIP = 77,
};

static const struct span hello = SPAN_INIT("Subject: x\n\nhello\n");

static const char *
filler(void)
{
	return spool_path("mail/filler");
}

/* All but so many pages. */
static void
fill(size_t room)
{
	static const char page[PAGE];
	struct statvfs v;
	int fd = open(filler(), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (statvfs(spool_path("mail"), &v) == 0 && v.f_bavail > room &&
	    write(fd, page, sizeof(page)) == sizeof(page))
		continue;
	close(fd);
}

static size_t
count(struct mbox *m)
{
	size_t n;

	mbox_messages(m, &n);
	return n;
}

static void
cache_much(struct mbox *m)
{
	static char bytes[64 << 10];
	struct mbox_cached c = {
		.uid = 1,
		.kind = MBOX_CACHE_ENVELOPE,
		.bytes = { bytes, sizeof(bytes) },
	};

	mbox_cache_put_all(m, &c, 1);
}

static void
flag_and_expunge(struct mbox *m, const char *uid)
{
	struct span in = { uid, strlen(uid) };
	struct uidset s;

	assert_true(uidset_take(&in, UINT32_MAX, &s));
	(void)!mbox_store_flags(m, &s, MBOX_FLAGS_ADD, STORE_DELETED, 0, NULL);
	(void)!mbox_expunge(m, &s);
	uidset_fini(&s);
}

static ino_t
index_inode(void)
{
	struct stat st;

	return stat(spool_path("mail/alice/postrider-index/data.mdb"), &st) < 0
	    ? 0
	    : st.st_ino;
}

/* What can be done is done, or refused for now. */
static void
use_a_full_disk(size_t room, bool new_boot)
{
	struct mbox *m;
	uint32_t uid;
	size_t n = MAILS;

	mail_open(SPAN(""));
	for (unsigned i = 0; i < MAILS; i++)
		mail_deliver("alice/", hello);
	mail_open_box("INBOX", 0, &m);
	mbox_close(m);
	mail_close();
	ino_t inode = index_inode();

	fill(room);
	mail_open(SPAN(""));
	if (new_boot)
		mail_store->boot[0] = mail_store->boot[0] == '0' ? '1' : '0';
	enum store_result r = mbox_open(mail_user, SPAN("INBOX"), 0, &m);
	if (!new_boot)
		assert_int_equal(r, STORE_OK);
	if (r == STORE_OK) {
		assert_int_equal(count(m), MAILS);
		cache_much(m);
		flag_and_expunge(m, "7");
		n--; /* to delete needs no room */
		mbox_close(m);
	} else {
		assert_int_equal(r, STORE_TEMPFAIL);
	}
	n += mail_try_deliver("alice/", hello, &uid) == STORE_OK;
	if (!new_boot)
		assert_int_equal(index_inode(), inode);
	mail_close();

	assert_int_equal(remove(filler()), 0);
	mail_open(SPAN(""));
	mail_open_box("INBOX", 0, &m);
	assert_int_equal(count(m), n);
	mbox_close(m);
	mail_close();
}

static void
on_a_small_disk(size_t room, bool new_boot)
{
	char options[32];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(SKIP);
	snprintf(options, sizeof(options), "size=%d", DISK);
	if (mount("tmpfs", spool_path("mail"), "tmpfs", 0, options) < 0)
		_exit(SKIP);
	use_a_full_disk(room, new_boot);
}

/*
 * A mount of its own for each. LMDB writes to its lock file as to memory, which
 * kills where there is no block for it; and what it cannot write is no damage.
 */
static void
a_full_disk_costs_no_mail(void **state)
{
	(void)state;
	for (size_t room = 0; room <= ROOM_MAX; room++)
		for (int new_boot = 0; new_boot < 2; new_boot++) {
			int status;
			pid_t pid = fork();

			assert_true(pid >= 0);
			if (pid == 0) {
				on_a_small_disk(room, new_boot);
				_exit(0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP)
				skip();
			print_message("# %zu pages, %s\n", room,
			    new_boot ? "new boot" : "same boot");
			assert_int_equal(status, 0);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(a_full_disk_costs_no_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
