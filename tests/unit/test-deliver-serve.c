/*
 * Both ends of deliver's channel as tasks. The frame is the test's own: what a
 * worker asks of it is a few functions.
 */
#include "local/deliver/job.h"
#include "local/deliver/serve.h"
#include "mail/maillog.h"
#include "net/channel.h"
#include "service/service.h"

#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <zlib.h>

static const struct span text = SPAN_INIT("Subject: x\n\nline\n");

static int listener;
static bool stopping;
static struct bell stop_bell;
static service_parent_fn *parent_fn;
static char seen[512]; /* what qmgr was told, a word each */
static int64_t ended_at;

int
service_listener(size_t i)
{
	return i == 0 ? listener : -1;
}

bool
service_stopping(void)
{
	return stopping;
}

bool
service_orphaned(void)
{
	return false;
}

struct bell *
service_stop_bell(void)
{
	return &stop_bell;
}

void
service_status(unsigned busy)
{
	(void)busy;
}

void
service_on_parent(service_parent_fn *fn)
{
	parent_fn = fn;
}

int64_t
service_wall(void)
{
	return 1700000000000000;
}

static void
note(const char *word)
{
	strncat(seen, word, sizeof(seen) - strlen(seen) - 1);
	strncat(seen, " ", sizeof(seen) - strlen(seen) - 1);
}

static const char *root = "mail";

static void
put_deliver(struct channel *ch, uint32_t request, struct span mailbox,
    uint32_t checksum, uint64_t max_size)
{
	char bytes[1024];
	struct buf b;
	int fd = open(spool_path("content"), O_RDONLY);

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, MSG_DELIVER, request);
	msg_put_str(&b, MSG_FIELD_ID, SPAN("4F2AB12345"));
	msg_put_str(&b, MSG_FIELD_SENDER, SPAN("a@example.org"));
	msg_put_u64(&b, MSG_FIELD_OFFSET, 0);
	msg_put_u64(&b, MSG_FIELD_LENGTH, text.n);
	msg_put_u64(&b, MSG_FIELD_CHECKSUM, checksum);
	msg_put_u64(&b, MSG_FIELD_ARRIVED, 1699999999000000);
	msg_put_str(&b, MSG_FIELD_NEXTHOP, SPAN("demo.test"));
	msg_put_u64(&b, MSG_FIELD_MAX_SIZE, max_size);
	msg_put_str(&b, MSG_FIELD_ROOT, span_str(spool_path(root)));
	size_t group = msg_group_begin(&b, MSG_FIELD_RCPT);
	msg_put_u64(&b, MSG_FIELD_N, 7);
	msg_put_str(&b, MSG_FIELD_ADDR, SPAN("alice@demo.test"));
	msg_put_str(&b, MSG_FIELD_ORIG, SPAN("al@demo.test"));
	msg_put_str(&b, MSG_FIELD_MAILBOX, mailbox);
	msg_group_end(&b, group);
	must(msg_end(&b, 1));
	must(channel_send(ch, buf_span(&b), &fd, 1));
}

static uint32_t
content_checksum(void)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)text.p, text.n);
}

static void
put_ack(struct channel *ch, uint32_t request)
{
	char bytes[64];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, MSG_ACK, 0);
	msg_put_u64(&b, MSG_FIELD_N, request);
	must(msg_end(&b, 0));
	must(channel_send(ch, buf_span(&b), NULL, 0));
}

/* Notes the next message: "HELLO", "RESULT", its id, DSN and state, or "eof". */
static void
note_message(struct channel *ch)
{
	struct span packet, rest;
	int fds[SOCK_FDS_MAX];
	struct msg_in in, group;
	size_t n;
	char word[128];

	if (channel_recv(ch, task_after(3600000), &packet, fds, &n) !=
	    STREAM_OK) {
		note("eof");
		return;
	}
	must(msg_read(packet, &in));
	note(msg_name(in.type));
	rest = in.fields;
	while (msg_next_group(&rest, MSG_FIELD_RCPT, &group)) {
		struct span dsn = msg_str(&group, MSG_FIELD_DSN);
		struct span state = msg_str(&group, MSG_FIELD_STATE);

		must(msg_u64(&group, MSG_FIELD_N) == 7);
		snprintf(word, sizeof(word), "%u:%u:%.*s%.*s", in.id,
		    (unsigned)msg_u64(&group, MSG_FIELD_STATUS), (int)dsn.n,
		    dsn.p, (int)state.n, state.p);
		note(word);
	}
}

static int
begin(struct channel **ch_r)
{
	int fds[2];

	must(sock_pair(fds) == 0);
	*ch_r = channel_new(fds[1], MSG_MAX, 1 << 20);
	return fds[0];
}

static void
worker(void *arg)
{
	deliver_serve(arg);
	ended_at = task_now();
}

static void
run_worker(task_fn *qmgr)
{
	int fd = open(spool_path("content"), O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	close(fd);
	stopping = false;
	seen[0] = '\0';
	bell_init(&stop_bell, "to stop");
	task_run_virtual(qmgr, NULL);
}

static void
spawn_worker(void)
{
	must(task_spawn(worker, NULL, "worker"));
}

static void
deliver_four(void *arg)
{
	struct channel *ch;

	(void)arg;
	listener = begin(&ch);
	spawn_worker();
	put_deliver(ch, 1, SPAN("demo.test/alice/"), content_checksum(), 0);
	note_message(ch);
	put_deliver(ch, 2, SPAN("demo.test/alice/"), 1, 0);
	note_message(ch);
	put_deliver(ch, 3, SPAN("demo.test/alice/"), content_checksum(), 20);
	note_message(ch);
	put_deliver(ch, 4, SPAN("mbox"), content_checksum(), 0);
	note_message(ch);
	for (uint32_t i = 1; i <= 4; i++)
		put_ack(ch, i);
	note_message(ch); /* a minute later */
	channel_free(ch);
}

static void
each_outcome_is_told(void **state)
{
	static const struct span want = SPAN_INIT(
	    "Return-Path: <a@example.org>\nX-Original-To: al@demo.test\n"
	    "Delivered-To: alice@demo.test\nSubject: x\n\nline\n");
	DIR *dir;
	const struct dirent *e;
	char path[400];
	unsigned n = 0;

	(void)state;
	run_worker(deliver_four);
	assert_string_equal(seen,
	    "RESULT 1:0:2.0.0 RESULT 2:2:4.3.0corrupt RESULT 3:1:5.2.2 "
	    "RESULT 4:2:4.2.0 eof ");
	assert_true(ended_at >= 60000 && ended_at < 61000);
	dir = opendir(spool_path("mail/demo.test/alice/new"));
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s",
		    spool_path("mail/demo.test/alice/new"), e->d_name);
		assert_span(spool_read(path), want);
	}
	closedir(dir);
	assert_int_equal(n, 1);
}

enum {
	HOMES = 20,
};

/* One more than are kept open, and some; the first again when it was closed. */
static void
deliver_to_homes(void *arg)
{
	struct channel *ch;
	char name[16];

	(void)arg;
	root = name;
	listener = begin(&ch);
	spawn_worker();
	for (uint32_t i = 0; i <= HOMES; i++) {
		snprintf(name, sizeof(name), "home%u", (unsigned)i % HOMES);
		must(mkdir(spool_path(name), 0700) == 0 || errno == EEXIST);
		put_deliver(ch, 0, SPAN("a/"), content_checksum(), 0);
		note_message(ch);
	}
	put_ack(ch, 0);
	stopping = true;
	bell_ring(&stop_bell);
	channel_free(ch);
	root = "mail";
}

static void
there_are_as_many_homes_as_there_are(void **state)
{
	static const char one[] = "RESULT 0:0:2.0.0 ";

	(void)state;
	run_worker(deliver_to_homes);
	for (size_t i = 0; i <= HOMES; i++)
		assert_memory_equal(seen + i * strlen(one), one, strlen(one));
}

static void
attach(int fd)
{
	parent_fn(&(struct msg_in){ .type = MSG_ATTACH }, &fd, 1);
}

/* A qmgr that dies with one of two results taken, and another that comes. */
static void
lose_a_qmgr(void *arg)
{
	struct channel *ch;
	struct channel *next;

	(void)arg;
	listener = begin(&ch);
	spawn_worker();
	put_deliver(ch, 1, SPAN("a/"), content_checksum(), 0);
	note_message(ch);
	put_deliver(ch, 2, SPAN("a/"), content_checksum(), 0);
	note_message(ch);
	put_ack(ch, 1);
	must(task_sleep(task_after(1000)) == TASK_TIMEOUT);
	channel_free(ch);
	must(task_sleep(task_after(20000)) == TASK_TIMEOUT);
	attach(begin(&next));
	note_message(next); /* HELLO */
	note_message(next); /* the result of 2, again */
	put_ack(next, 2);
	must(task_sleep(task_after(1000)) == TASK_TIMEOUT);
	channel_free(next);
}

static void
what_was_not_taken_is_told_again(void **state)
{
	(void)state;
	run_worker(lose_a_qmgr);
	assert_string_equal(seen,
	    "RESULT 1:0:2.0.0 RESULT 2:0:2.0.0 HELLO RESULT 2:0:2.0.0 ");
	/* And 30 s after the second one has gone the worker ends. */
	assert_true(ended_at >= 52000 && ended_at < 53000);
}

static void
replace_a_qmgr(void *arg)
{
	struct channel *ch;
	struct channel *next;

	(void)arg;
	listener = begin(&ch);
	spawn_worker();
	must(task_sleep(task_after(10)) == TASK_TIMEOUT);
	attach(begin(&next));
	note_message(ch); /* eof: the old one is let go */
	note_message(next);
	put_deliver(next, 1, SPAN("a/"), content_checksum(), 0);
	note_message(next);
	put_ack(next, 1);
	must(task_sleep(task_after(10)) == TASK_TIMEOUT);
	stopping = true;
	bell_ring(&stop_bell);
	note_message(next);
	channel_free(ch);
	channel_free(next);
}

static void
a_new_qmgr_takes_the_place_of_the_old(void **state)
{
	(void)state;
	run_worker(replace_a_qmgr);
	assert_string_equal(seen, "eof HELLO RESULT 1:0:2.0.0 eof ");
	assert_true(ended_at < 1000);
}

enum {
	TOKEN_LEN = 16,
};

/* What the broker says of a mailbox, with the other end of *ch_r. */
static void
allow(const char *token, const char *mailbox, struct channel **ch_r)
{
	static char bytes[1024];
	struct msg_in in;
	int fd = begin(ch_r);
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, MSG_MAY_PUT, 0);
	msg_put_str(&b, MSG_FIELD_TOKEN, (struct span){ token, TOKEN_LEN });
	msg_put_str(&b, MSG_FIELD_ROOT, span_str(spool_path("mail")));
	msg_put_str(&b, MSG_FIELD_MAILBOX, span_str(mailbox));
	must(msg_end(&b, 1) && msg_read(buf_span(&b), &in));
	parent_fn(&in, &fd, 1);
}

static int
content(int seals)
{
	int fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	must(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

/* As lmtpd does; and one that lies also says where the mail is to go. */
static void
put_put(struct channel *ch, uint32_t request, const char *token, int fd)
{
	char bytes[1024];
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, MSG_PUT, request);
	msg_put_str(&b, MSG_FIELD_ID, SPAN("4F2AB12345"));
	msg_put_str(&b, MSG_FIELD_SENDER, SPAN("a@example.org"));
	msg_put_u64(&b, MSG_FIELD_LENGTH, text.n);
	msg_put_u64(&b, MSG_FIELD_CHECKSUM, content_checksum());
	msg_put_u64(&b, MSG_FIELD_ARRIVED, 1699999999000000);
	size_t group = msg_group_begin(&b, MSG_FIELD_RCPT);
	msg_put_u64(&b, MSG_FIELD_N, 7);
	msg_put_str(&b, MSG_FIELD_ADDR, SPAN("alice@demo.test"));
	msg_put_str(&b, MSG_FIELD_MAILBOX, SPAN("elsewhere/"));
	msg_put_str(&b, MSG_FIELD_TOKEN, (struct span){ token, TOKEN_LEN });
	msg_group_end(&b, group);
	must(msg_end(&b, 1));
	must(channel_send(ch, buf_span(&b), &fd, 1));
}

static void
put_by_tokens(void *arg)
{
	struct channel *one, *two;
	int sealed = F_SEAL_WRITE | F_SEAL_SHRINK;

	(void)arg;
	listener = -1;
	spawn_worker();
	must(task_sleep(task_after(10)) == TASK_TIMEOUT);
	allow("0123456789abcdef", "demo.test/alice/", &one);
	put_put(one, 1, "0123456789abcdef", content(sealed));
	note_message(one);
	put_put(one, 2, "0123456789abcdeX", content(sealed));
	note_message(one);
	/* Its word may come after lmtpd's. */
	put_put(one, 3, "fedcba9876543210", content(sealed));
	must(task_sleep(task_after(10)) == TASK_TIMEOUT);
	allow("fedcba9876543210", "demo.test/bob/", &two);
	note_message(one);
	channel_free(two);
	put_put(one, 4, "0123456789abcdef", content(F_SEAL_GROW));
	put_put(one, 5, "0123456789abcdef", content(sealed));
	note_message(one);
	note_message(one); /* a minute later */
	channel_free(one);
}

static void
lmtpd_names_mailboxes_by_tokens_only(void **state)
{
	(void)state;
	run_worker(put_by_tokens);
	assert_string_equal(seen,
	    "RESULT 1:0:2.0.0 RESULT 2:2:4.2.0 RESULT 3:0:2.0.0 "
	    "RESULT 5:0:2.0.0 eof ");
	assert_int_equal(access(spool_path("mail/demo.test/alice"), F_OK), 0);
	assert_int_equal(access(spool_path("mail/demo.test/bob"), F_OK), 0);
	assert_int_equal(access(spool_path("mail/elsewhere"), F_OK), -1);
	assert_true(ended_at >= 60000 && ended_at < 63000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(each_outcome_is_told),
		SPOOL_TEST(there_are_as_many_homes_as_there_are),
		SPOOL_TEST(what_was_not_taken_is_told_again),
		SPOOL_TEST(a_new_qmgr_takes_the_place_of_the_old),
		SPOOL_TEST(lmtpd_names_mailboxes_by_tokens_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
