/* The store, index and all, has what it needs in the sandbox of its programs. */
#include "spool.h"

#include "service/sandbox.h"
#include "store/deliver.h"
#include "store/store.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
check(bool ok, int step)
{
	if (!ok)
		_exit(step);
}

static uint32_t
append(struct store_user *u)
{
	struct mbox_append *a;
	struct mbox_append_facts f = { 0 };
	uint32_t uidvalidity, uid;

	check(mbox_append_begin(u, SPAN("INBOX"), &a) == STORE_OK, 10);
	mbox_append_write(a, SPAN("a: b\r\n"));
	check(mbox_append_commit(a, &f, &uidvalidity, &uid) == STORE_OK, 11);
	return uid;
}

static void
deliver(struct store *s, int fd)
{
	struct store_content c = { .fd = fd };
	struct store_target t = { .mailbox = SPAN("alice/"),
		.head = SPAN("x: y\n") };

	store_deliver(s, &c, &t, 1);
	check(t.result == STORE_OK, 20);
}

static void
use(void)
{
	struct why why;
	struct mbox *m;
	struct mbox_changes changes;
	struct mbox_copied copied;
	struct uidset all = { 0 };
	int tag, fd = open(spool_path("mail/empty"), O_RDWR | O_CREAT, 0600);
	struct store *s = store_open(spool_path("mail"), &why);

	check(s && fd >= 0, 2);
	struct store_user *u = store_user_open(s, SPAN("alice/"),
	    SPAN("Sent=\\Sent"), &why);
	check(u, 3);
	append(u);
	check(mbox_open(u, SPAN("INBOX"), 0, &m) == STORE_OK, 4);
	check(mbox_watch(m, &tag), 5);
	deliver(s, fd);
	check(mbox_sync(m, 0, &changes) == STORE_OK, 6);
	check(changes.exists_changed && mbox_find(m, 2) == 2, 7);
	uidset_add(&all, 1, 2);
	check(mbox_move(m, &all, SPAN("Sent"), &copied) == STORE_OK, 8);
	uidset_fini(&copied.from);
	uidset_fini(&copied.to);
	uidset_fini(&all);
	mbox_close(m);
	check(store_rename(u, SPAN("Sent"), SPAN("Old")) == STORE_OK, 9);
	check(store_delete(u, SPAN("Old")) == STORE_OK, 12);
	store_user_close(u);
	store_close(s);
}

static void
the_sandbox_lets_it_work(void **state)
{
	int status;
	struct why why;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		sandbox_allow(spool_path("mail"), true);
		sandbox_allow("/proc/sys/kernel/random/boot_id", false);
		check(prctl(PR_SET_DUMPABLE, 0) == 0, 30);
		check(sandbox_enter(SANDBOX_ENFORCE,
			  SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_FILES,
			  &why) == 0,
		    31);
		use();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(the_sandbox_lets_it_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
