/*
 * Dialogues with a session over a real store. The frame of the daemon is the
 * test's own. In what is compared, "V" stands for a UIDVALIDITY.
 */
#include "imap-frame.h"

#include <errno.h>

enum {
	GREETING = sizeof("t OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE"
			  " NAMESPACE CHILDREN UIDPLUS UNSELECT MOVE"
			  " SPECIAL-USE] Logged in\r\n") -
	    1,
};

static const struct imap_params params = {
	.mail_special_folders = "Trash=\\Trash Sent=\\Sent",
	.imapd_timeout = 30 * 60 * 1000,
	.imapd_idle_notify_interval = 120 * 1000,
	.imapd_write_timeout = 300 * 1000,
	.imapd_error_limit = 5,
	.virtual_mailbox_limit = 100000,
};

static struct {
	struct span says;
	size_t step; /* bytes a write */
	void (*then)(void); /* once all is said */
	bool hangs_up; /* after that */
	bool deaf; /* reads nothing */
	int fds[2];
	struct session_in in;
	size_t heard_n;
	char heard[1 << 20];
	int64_t ended;
} fx;

static void
session(void *arg)
{
	(void)arg;
	fx.in.stream = stream_new(fx.fds[0], 4096, 0);
	imap_serve(&fx.in, &params);
	fx.in.stream = stream_free(fx.in.stream);
	fx.ended = task_now();
}

static void
speak(void *arg)
{
	struct span rest = fx.says;
	int tries = 0;

	(void)arg;
	while (rest.n > 0) {
		size_t n = rest.n < fx.step ? rest.n : fx.step;
		ssize_t sent = send(fx.fds[1], rest.p, n,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && (errno != EAGAIN || ++tries > 1000))
			break;
		if (sent < 0) {
			task_sleep(task_after(1));
			continue;
		}
		rest = (struct span){ rest.p + sent, rest.n - (size_t)sent };
		task_sleep(fx.step < 100 ? task_after(1) : task_now());
	}
	if (fx.then)
		fx.then();
	if (fx.hangs_up)
		shutdown(fx.fds[1], SHUT_WR);
}

static void
listen_to_it(void *arg)
{
	(void)arg;
	if (fx.deaf)
		return;
	while (task_wait_fd(fx.fds[1], TASK_INPUT, TASK_NEVER) == TASK_READY) {
		ssize_t n = recv(fx.fds[1], fx.heard + fx.heard_n,
		    sizeof(fx.heard) - fx.heard_n, MSG_DONTWAIT);

		if (n <= 0)
			break;
		fx.heard_n += (size_t)n;
	}
	task_close(fx.fds[1]);
}

static void
all(void *arg)
{
	(void)arg;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fx.fds) == 0);
	must(task_spawn(session, NULL, "session"));
	must(task_spawn(listen_to_it, NULL, "client, listening"));
	must(task_spawn(speak, NULL, "client, speaking"));
}

/* All that was heard after the greeting, with "V" for a UIDVALIDITY. */
static struct span
without_uidvalidity(void)
{
	static char text[sizeof(fx.heard)];
	size_t n = 0;

	assert_true(fx.heard_n >= GREETING);
	for (size_t i = GREETING; i < fx.heard_n;) {
		size_t digits = strspn(fx.heard + i, "0123456789");

		if (digits == 10)
			text[n++] = 'V';
		else
			memcpy(text + n, fx.heard + i, digits);
		n += digits == 10 ? 0 : digits;
		i += digits;
		if (digits == 0)
			text[n++] = fx.heard[i++];
	}
	return (struct span){ text, n };
}

static struct span
talk_by(size_t step, struct span says)
{
	fx.says = says;
	fx.step = step;
	fx.heard_n = 0;
	frame_begin();
	task_run_virtual(all, NULL);
	fx.heard[fx.heard_n] = '\0';
	return without_uidvalidity();
}

static struct span
talk(const char *says)
{
	return talk_by(1 << 20, span_str(says));
}

static int
begin(void **state)
{
	int r = spool_setup(state);

	mail_open(span_str(params.mail_special_folders));
	memset(&fx, 0, sizeof(fx));
	fx.in = (struct session_in){
		.user = SPAN("alice@demo.test"),
		.name = SPAN("n"),
		.tag = SPAN("t"),
		.store = mail_store,
		.mailbox = SPAN("alice/"),
	};
	return r;
}

static int
end(void **state)
{
	mail_close();
	return spool_teardown(state);
}

#define BYE "* BYE Logging out\r\nz OK Logout completed.\r\n"

struct dialogue {
	const char *says;
	const char *hears;
};

static void
run_dialogues(const struct dialogue *d, size_t n)
{
	static char says[65536], hears[65536];

	for (size_t i = 0; i < n; i++) {
		print_row(span_str(d[i].says));
		snprintf(says, sizeof(says), "%sz LOGOUT\r\n", d[i].says);
		snprintf(hears, sizeof(hears), "%s" BYE, d[i].hears);
		assert_span(talk(says), span_str(hears));
	}
}

static void
each_command_has_its_answer(void **state)
{
	static const struct dialogue d[] = {
		{ "a noop\r\n", "a OK NOOP completed.\r\n" },
		{ "a CAPABILITY\r\n",
		    "* CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE"
		    " CHILDREN UIDPLUS UNSELECT MOVE SPECIAL-USE\r\n"
		    "a OK Capability completed.\r\n" },
		{ "a ID NIL\r\n",
		    "* ID (\"name\" \"Postrider\")\r\na OK ID completed.\r\n" },
		{ "a NAMESPACE\r\n",
		    "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n"
		    "a OK Namespace completed.\r\n" },
		{ "a ENABLE X-FOO\r\n", "* ENABLED\r\na OK Enabled.\r\n" },
		{ "a LOGIN a b\r\n",
		    "a BAD [CLIENTBUG] Already logged in\r\n" },
		{ "a STARTTLS\r\n", "a BAD [CLIENTBUG] Already logged in\r\n" },
		{ "a FETCH 1 FLAGS\r\n", "a BAD No mailbox selected\r\n" },
		{ "a CLOSE\r\n", "a BAD No mailbox selected\r\n" },
		{ "a SELECT nope\r\n",
		    "a NO [NONEXISTENT] Mailbox doesn't exist\r\n" },
		{ "a SELECT &bad\r\n",
		    "a NO [CANNOT] Mailbox name is not valid mUTF-7\r\n" },
		{ "a IDLE\r\nDONE\r\n",
		    "+ idling\r\na OK Idle completed.\r\n" },
		{ "a IDLE\r\nfoo\r\n", "+ idling\r\na BAD Expected DONE\r\n" },
	};

	(void)state;
	run_dialogues(d, COUNT_OF(d));
}

static void
mailboxes_come_and_go(void **state)
{
	static const struct dialogue d[] = {
		{ "a LIST \"\" *\r\nb LIST \"\" \"\"\r\nc LSUB \"\" *\r\n",
		    "* LIST (\\HasNoChildren) \".\" INBOX\r\n"
		    "* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n"
		    "* LIST (\\HasNoChildren \\Trash) \".\" Trash\r\n"
		    "a OK List completed.\r\n"
		    "* LIST (\\Noselect) \".\" \"\"\r\nb OK List completed.\r\n"
		    "* LSUB () \".\" Sent\r\n* LSUB () \".\" Trash\r\n"
		    "c OK Lsub completed.\r\n" },
		{ "a UNSUBSCRIBE Sent\r\nb UNSUBSCRIBE Trash\r\n",
		    "a OK Unsubscribe completed.\r\n"
		    "b OK Unsubscribe completed.\r\n" },
		{ "a CREATE foo.bar.\r\nb CREATE foo.bar\r\nc CREATE INBOX\r\n"
		  "d CREATE a/b\r\ne CREATE a..b\r\n",
		    "a OK Create completed.\r\n"
		    "b NO [ALREADYEXISTS] Mailbox already exists\r\n"
		    "c NO [ALREADYEXISTS] Mailbox already exists\r\n"
		    "d NO [CANNOT] Invalid mailbox name\r\n"
		    "e NO [CANNOT] Invalid mailbox name\r\n" },
		{ "a LIST \"\" f*\r\nb LIST foo. %\r\nc LIST \"\" inBOX\r\n",
		    "* LIST (\\Noselect \\HasChildren) \".\" foo\r\n"
		    "* LIST (\\HasNoChildren) \".\" foo.bar\r\n"
		    "a OK List completed.\r\n"
		    "* LIST (\\HasNoChildren) \".\" foo.bar\r\n"
		    "b OK List completed.\r\n"
		    "* LIST (\\HasNoChildren) \".\" INBOX\r\n"
		    "c OK List completed.\r\n" },
		{ "a SUBSCRIBE foo.bar\r\nb LSUB \"\" *\r\nc LSUB \"\" %\r\n"
		  "d UNSUBSCRIBE foo.bar\r\ne LSUB \"\" *\r\n",
		    "a OK Subscribe completed.\r\n"
		    "* LSUB () \".\" foo.bar\r\nb OK Lsub completed.\r\n"
		    "* LSUB (\\Noselect) \".\" foo\r\nc OK Lsub completed.\r\n"
		    "d OK Unsubscribe completed.\r\ne OK Lsub completed.\r\n" },
		{ "a RENAME nope x\r\nb RENAME foo.bar Trash\r\n"
		  "c RENAME foo.bar baz\r\nd DELETE INBOX\r\ne DELETE nope\r\n"
		  "f DELETE baz\r\ng LIST \"\" baz\r\n",
		    "a NO [NONEXISTENT] Mailbox doesn't exist\r\n"
		    "b NO [ALREADYEXISTS] Target mailbox already exists\r\n"
		    "c OK Rename completed.\r\n"
		    "d NO [CANNOT] INBOX can't be deleted\r\n"
		    "e NO [NONEXISTENT] Mailbox doesn't exist\r\n"
		    "f OK Delete completed.\r\ng OK List completed.\r\n" },
		{ "a STATUS INBOX (UIDNEXT MESSAGES UNSEEN RECENT)\r\n"
		  "b STATUS nope (MESSAGES)\r\nc STATUS INBOX (FOO)\r\n",
		    "* STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UNSEEN 0)\r\n"
		    "a OK Status completed.\r\n"
		    "b NO [NONEXISTENT] Mailbox doesn't exist\r\n"
		    "c BAD Unknown item in STATUS\r\n" },
		{ "a CREATE x\r\nb SELECT x\r\nc DELETE x\r\nd CHECK\r\n",
		    "a OK Create completed.\r\n"
		    "* FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen"
		    " $Forwarded)\r\n"
		    "* OK [PERMANENTFLAGS (\\Answered \\Deleted \\Draft"
		    " \\Flagged \\Seen $Forwarded \\*)] Flags permitted.\r\n"
		    "* 0 EXISTS\r\n* 0 RECENT\r\n"
		    "* OK [UIDVALIDITY V] UIDs valid\r\n"
		    "* OK [UIDNEXT 1] Predicted next UID\r\n"
		    "b OK [READ-WRITE] Select completed.\r\n"
		    "c OK Delete completed.\r\nd BAD No mailbox selected\r\n" },
	};

	(void)state;
	run_dialogues(d, COUNT_OF(d));
}

#define FLAGS "\\Answered \\Deleted \\Draft \\Flagged \\Seen $Forwarded"
#define SELECTED(n, unseen, recent, next, keywords) \
	"* FLAGS (" FLAGS keywords ")\r\n" \
	"* OK [PERMANENTFLAGS (" FLAGS keywords " \\*)] Flags permitted.\r\n" \
	"* " n " EXISTS\r\n* " recent " RECENT\r\n" unseen \
	"* OK [UIDVALIDITY V] UIDs valid\r\n" \
	"* OK [UIDNEXT " next "] Predicted next UID\r\n" \
	"s OK [READ-WRITE] Select completed.\r\n"

static const struct dialogue life[] = {
	{ "s SELECT INBOX\r\na FETCH 1:* FLAGS\r\nb UID FETCH 1:* FLAGS\r\n"
	  "c FETCH 1 FLAGS\r\n",
	    SELECTED("0", "", "0", "1", "") "a BAD Invalid messageset\r\n"
					    "b OK Fetch completed.\r\n"
					    "c BAD Invalid messageset\r\n" },
	{ "s SELECT INBOX\r\n"
	  "a APPEND INBOX (\\Seen $Foo) {6+}\r\nA: b\r\n\r\n"
	  "b APPEND INBOX {5}\r\nA: b\n\r\n"
	  "c APPEND nope {5+}\r\nA: b\n\r\n"
	  "d APPEND nope {5}\r\n"
	  "e APPEND INBOX {5+}\r\nA: b\n more\r\n"
	  "f APPEND INBOX {0+}\r\n\r\n",
	    SELECTED("0", "", "0", "1",
		"") "* FLAGS (" FLAGS " $Foo)\r\n"
		    "* OK [PERMANENTFLAGS (" FLAGS
		    " $Foo \\*)] Flags permitted.\r\n"
		    "* 1 EXISTS\r\n* 1 RECENT\r\n"
		    "a OK [APPENDUID V 1] Append completed.\r\n"
		    "+ OK\r\n* 2 EXISTS\r\n* 2 RECENT\r\n"
		    "b OK [APPENDUID V 2] Append completed.\r\n"
		    "c NO [TRYCREATE] Mailbox doesn't exist\r\n"
		    "d NO [TRYCREATE] Mailbox doesn't exist\r\n"
		    "e BAD Expected the end of the command\r\n"
		    "f NO Can't save a zero byte message\r\n" },
	{ "s SELECT INBOX\r\na STORE 1 +FLAGS (\\Deleted $Bar)\r\n"
	  "b STORE 1 FLAGS.SILENT (\\Deleted)\r\n"
	  "c UID STORE 2 +FLAGS \\Seen\r\n"
	  "d STORE 3 +FLAGS \\Seen\r\ne UID STORE 9 +FLAGS \\Seen\r\n",
	    SELECTED("2", "* OK [UNSEEN 2] First unseen.\r\n", "0", "3",
		" $Foo") "* FLAGS (" FLAGS " $Foo $Bar)\r\n"
			 "* OK [PERMANENTFLAGS (" FLAGS
			 " $Foo $Bar \\*)] Flags permitted.\r\n"
			 "* 1 FETCH (FLAGS (\\Deleted \\Seen $Foo $Bar))\r\n"
			 "a OK Store completed.\r\n"
			 "b OK Store completed.\r\n"
			 "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
			 "c OK Store completed.\r\n"
			 "d BAD Invalid messageset\r\n"
			 "e OK Store completed.\r\n" },
	{ "s SELECT INBOX\r\na COPY 1:2 Trash\r\nb COPY 1 nope\r\n"
	  "c COPY 3 Trash\r\nd UID COPY 9 Trash\r\ne UID MOVE 2 Sent\r\n"
	  "f EXPUNGE\r\ng UID EXPUNGE 1\r\nh NOOP\r\n",
	    SELECTED("2", "* OK [UNSEEN 1] First unseen.\r\n", "0", "3",
		" $Foo $Bar") "a OK [COPYUID V 1:2 1:2] Copy completed.\r\n"
			      "b NO [TRYCREATE] Mailbox doesn't exist\r\n"
			      "c BAD Invalid messageset\r\n"
			      "d OK No messages found.\r\n"
			      "* OK [COPYUID V 2 1] Moved UIDs.\r\n"
			      "* 2 EXPUNGE\r\ne OK Move completed.\r\n"
			      "* 1 EXPUNGE\r\nf OK Expunge completed.\r\n"
			      "g OK Expunge completed.\r\n"
			      "h OK NOOP completed.\r\n" },
	{ "s SELECT Trash\r\na UNSELECT\r\ns SELECT Trash\r\nb CLOSE\r\n"
	  "c EXAMINE Trash\r\nd STORE 1 FLAGS ()\r\ne CLOSE\r\n",
	    SELECTED("2", "* OK [UNSEEN 1] First unseen.\r\n", "2", "3",
		"") "a OK Unselect completed.\r\n" SELECTED("2",
		"* OK [UNSEEN 1] First unseen.\r\n", "0", "3",
		"") "b OK Close completed.\r\n"
		    "* FLAGS (" FLAGS ")\r\n"
		    "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n"
		    "* 1 EXISTS\r\n* 0 RECENT\r\n"
		    "* OK [UIDVALIDITY V] UIDs valid\r\n"
		    "* OK [UIDNEXT 3] Predicted next UID\r\n"
		    "c OK [READ-ONLY] Examine completed.\r\n"
		    "d NO [READ-ONLY] Mailbox is read-only\r\n"
		    "e OK Close completed.\r\n" },
};

static void
messages_live_and_die(void **state)
{
	(void)state;
	run_dialogues(life, COUNT_OF(life));
	assert_string_equal(frame_logged,
	    "Disconnected: Logged out in=109 out=1180 deleted=0 expunged=1"
	    " trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0");
}

/* The same, a byte at a time. */
static void
answers_do_not_depend_on_how_commands_come(void **state)
{
	static char says[8192], hears[8192];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(life); i++) {
		snprintf(says, sizeof(says), "%sz LOGOUT\r\n", life[i].says);
		snprintf(hears, sizeof(hears), "%s" BYE, life[i].hears);
		assert_span(talk_by(1, span_str(says)), span_str(hears));
	}
}

static void
silence_is_not_borne_for_ever(void **state)
{
	(void)state;
	assert_span(talk("a NOOP\r\nb NO"),
	    SPAN("a OK NOOP completed.\r\n"
		 "* BYE Disconnected for inactivity.\r\n"));
	assert_true(fx.ended >= params.imapd_timeout);
	assert_memory_equal(frame_logged,
	    "Disconnected: Disconnected for inactivity.", 42);
}

static void
errors_in_a_row_are_not_borne_for_ever(void **state)
{
	(void)state;
	assert_span(talk("a X\r\na X\r\na X\r\na X\r\na NOOP\r\n"
			 "a X\r\na X\r\na X\r\na X\r\na X\r\na NOOP\r\n"),
	    SPAN("a BAD Unknown command\r\na BAD Unknown command\r\n"
		 "a BAD Unknown command\r\na BAD Unknown command\r\n"
		 "a OK NOOP completed.\r\n"
		 "a BAD Unknown command\r\na BAD Unknown command\r\n"
		 "a BAD Unknown command\r\na BAD Unknown command\r\n"
		 "a BAD Unknown command\r\n"
		 "* BYE Too many invalid IMAP commands.\r\n"));
}

static void
hang_up(void)
{
	shutdown(fx.fds[1], SHUT_WR);
}

static void
a_connection_may_end_anywhere(void **state)
{
	static const char says[] = "a SELECT INBOX\r\n"
				   "b APPEND INBOX {10+}\r\nA: b\r\n\r\nab\r\n"
				   "c IDLE\r\nDONE\r\n";

	(void)state;
	fx.then = hang_up;
	for (size_t n = 0; n < sizeof(says); n++) {
		(void)talk_by(1000, (struct span){ says, n });
		assert_memory_equal(frame_logged,
		    "Disconnected: Connection closed ", 32);
	}
}

static void
stop(void)
{
	frame_stopping = true;
	bell_ring(&frame_stop_bell);
}

static void
stop_later(void)
{
	task_sleep(task_after(1000));
	stop();
}

static void
who_waits_is_told_of_the_end(void **state)
{
	(void)state;
	fx.then = stop_later;
	assert_span(talk("a NOOP\r\n"),
	    SPAN("a OK NOOP completed.\r\n* BYE Server shutting down.\r\n"));
	assert_span(talk("a IDLE\r\n"),
	    SPAN("+ idling\r\n* BYE Server shutting down.\r\n"));
}

static void
deliver_later(void)
{
	task_sleep(task_after(250 * 1000));
	mail_deliver("alice/", SPAN("A: b\n\nc\n"));
	frame_ring();
	task_sleep(task_after(1000));
	must(send(fx.fds[1], "DONE\r\n", 6, 0) == 6);
	task_sleep(task_after(1000));
	hang_up();
}

static void
who_is_idle_hears_of_news(void **state)
{
	(void)state;
	fx.then = deliver_later;
	assert_span(talk("s SELECT INBOX\r\na IDLE\r\n"),
	    SPAN(SELECTED("0", "", "0", "1",
		"") "+ idling\r\n* OK Still here\r\n* OK Still here\r\n"
		    "* 1 EXISTS\r\n* 1 RECENT\r\na OK Idle completed.\r\n"));
}

static void
nobody_is_idle_for_ever(void **state)
{
	struct span heard;

	(void)state;
	heard = talk("s SELECT INBOX\r\na IDLE\r\n");
	assert_true(fx.ended >= params.imapd_timeout);
	heard = (struct span){ heard.p + heard.n - 34, 34 };
	assert_span(heard, SPAN("BYE Disconnected for inactivity.\r\n"));
}

static void
who_does_not_read_is_left(void **state)
{
	static char many[200 * 1000];
	size_t n = 0;

	(void)state;
	fx.deaf = true;
	while (n + 20 < sizeof(many))
		n += (size_t)snprintf(many + n, 20, "a CAPABILITY\r\n");
	frame_begin();
	fx.heard_n = 0;
	fx.says = (struct span){ many, n };
	fx.step = 1000;
	task_run_virtual(all, NULL);
	close(fx.fds[1]);
	assert_memory_equal(frame_logged,
	    "Disconnected: Disconnected for inactivity "
	    "in reading our output.",
	    64);
}

static void
a_message_has_a_size_that_is_allowed(void **state)
{
	static char says[300000];
	size_t n = (size_t)snprintf(says, sizeof(says),
	    "a APPEND INBOX {100001}\r\nb APPEND INBOX {100001+}\r\n");

	(void)state;
	memset(says + n, 'x', 100001);
	n += 100001;
	n += (size_t)snprintf(says + n, 100,
	    "\r\nc APPEND INBOX {100000+}\r\n");
	memset(says + n, 'x', 100000);
	n += 100000;
	n += (size_t)snprintf(says + n, 100, "\r\nz LOGOUT\r\n");
	assert_span(talk_by(10000, (struct span){ says, n }),
	    SPAN("a NO [TOOBIG] Message is too large\r\n"
		 "b NO [TOOBIG] Message is too large\r\n"
		 "c OK [APPENDUID V 1] Append completed.\r\n" BYE));
}

int
main(void)
{
#define DIALOGUE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		DIALOGUE_TEST(each_command_has_its_answer),
		DIALOGUE_TEST(mailboxes_come_and_go),
		DIALOGUE_TEST(messages_live_and_die),
		DIALOGUE_TEST(answers_do_not_depend_on_how_commands_come),
		DIALOGUE_TEST(silence_is_not_borne_for_ever),
		DIALOGUE_TEST(errors_in_a_row_are_not_borne_for_ever),
		DIALOGUE_TEST(a_connection_may_end_anywhere),
		DIALOGUE_TEST(who_waits_is_told_of_the_end),
		DIALOGUE_TEST(who_is_idle_hears_of_news),
		DIALOGUE_TEST(nobody_is_idle_for_ever),
		DIALOGUE_TEST(who_does_not_read_is_left),
		DIALOGUE_TEST(a_message_has_a_size_that_is_allowed),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
