/* Processes and threads at one mailbox: each view is in order, nothing is lost. */
#include "mail.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PROCESSES = 3,
	THREADS = 3,
	EACH = 100,
};

static void
deliver_many(void)
{
	struct why why;
	struct store *s = store_open(spool_path("mail"), &why);
	struct store_content c = { .fd = open("/dev/null", O_RDONLY) };

	for (unsigned i = 0; s && i < EACH; i++) {
		struct store_target t = { .mailbox = SPAN("alice/"),
			.head = SPAN("a: b\n") };

		store_deliver(s, &c, &t, 1);
		if (t.result != STORE_OK)
			_exit(1);
	}
	close(c.fd);
	store_close(s);
	_exit(s ? 0 : 1);
}

/* Flags and expunges what it sees until all was there. Returns what is wrong. */
static void *
look_on(void *arg)
{
	const char *wrong = NULL;
	struct mbox *m;
	uint32_t last = 0;
	bool expunges = arg;
	struct uidset one = { 0 };

	if (mbox_open(mail_user, SPAN("INBOX"), 0, &m) != STORE_OK)
		return (void *)(uintptr_t) "it does not open";
	while (!wrong && last < PROCESSES * EACH) {
		struct mbox_changes c;
		size_t n;

		if (mbox_sync(m, 0, &c) != STORE_OK)
			wrong = "it cannot be synced";
		const struct mbox_message *rows = mbox_messages(m, &n);
		if (n == 0 || rows[n - 1].uid == last)
			continue;
		last = rows[n - 1].uid;
		uidset_reset(&one);
		uidset_add(&one, last, last);
		uint32_t flags = expunges ? STORE_DELETED : STORE_SEEN;
		if (mbox_store_flags(m, &one, MBOX_FLAGS_ADD, flags, 0, NULL) !=
		    STORE_OK)
			wrong = "it cannot be flagged";
		if (expunges && last < PROCESSES * EACH &&
		    mbox_expunge(m, &one) != STORE_OK)
			wrong = "it cannot be expunged";
	}
	uidset_fini(&one);
	mbox_close(m);
	return (void *)(uintptr_t)wrong;
}

static void
a_crowd_keeps_order(void **state)
{
	pthread_t threads[THREADS];
	pid_t children[PROCESSES];
	void *wrong;
	struct mbox *m;
	struct mbox_changes c;
	size_t before, after;
	int status;

	(void)state;
	mail_open(SPAN(""));
	mail_open_box("INBOX", 0, &m);
	mbox_close(m);
	mail_close();
	for (size_t i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0)
			deliver_many();
	}
	mail_open(SPAN(""));
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_on,
				     (void *)(i & 1)),
		    0);
	for (size_t i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		if (wrong)
			fail_msg("%s", (const char *)wrong);
	}
	/* What the index says is what a look at the folders says. */
	mail_open_box("INBOX", 0, &m);
	mbox_messages(m, &before);
	assert_int_equal(mbox_uidnext(m), PROCESSES * EACH + 1);
	spool_remove(spool_path("mail/alice/postrider-index"));
	mail_sync(m, &c);
	mbox_messages(m, &after);
	assert_int_equal(before, after);
	assert_int_equal(c.expunged_n + c.flagged_n, 0);
	mbox_close(m);
	mail_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(a_crowd_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
