/*
 * A worker's process with the broker as a task. The frame is the test's own.
 */
#include "base/sock.h"
#include "login/worker.h"
#include "service/msg.h"
#include "service/service.h"
#include "store/store.h"

#include "spool.h"

#include <sys/socket.h>

enum {
	MINUTE = 60 * 1000,
};

static char root[300];
static bool stopping, orphaned;
static struct bell stop_bell;
static service_parent_fn *parent_fn;
static char seen[512]; /* what happened, a word each */
static int64_t ended_at;
static bool spares; /* the broker answers SPARE */

const char *
service_root(void)
{
	return root;
}

bool
service_checking(void)
{
	return false;
}

bool
service_stopping(void)
{
	return stopping;
}

bool
service_orphaned(void)
{
	return orphaned;
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

const char *
service_name(void)
{
	return "pop3";
}

void
sandbox_allow(const char *path, bool write)
{
	(void)path;
	(void)write;
}

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void
note(const char *fmt, ...)
{
	va_list ap;
	size_t n = strlen(seen);

	va_start(ap, fmt);
	vsnprintf(seen + n, sizeof(seen) - n, fmt, ap);
	va_end(ap);
	strncat(seen, " ", sizeof(seen) - strlen(seen) - 1);
}

static void
say_to_worker(enum msg_type type)
{
	char bytes[64];
	struct msg_in in;
	struct buf b;

	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, type, 0);
	must(msg_end(&b, 0) && msg_read(buf_span(&b), &in));
	parent_fn(&in, NULL, 0);
}

/* The frame sends it; the broker's answer comes later. */
static void
answer_spare(void *arg)
{
	(void)arg;
	say_to_worker(MSG_SPARE);
}

void
service_tell(int type)
{
	must(type == MSG_SPARE);
	note("spare@%lld", (long long)task_now() / 1000);
	if (spares)
		must(task_spawn(answer_spare, NULL, "answer"));
}

/* Begins a session of `user` and returns the client's end. */
static int
begin_session(const char *user, const char *from, const char *where,
    struct span preread)
{
	char bytes[2048];
	struct msg_in in;
	struct buf b;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		 pair) == 0);
	buf_init(&b, bytes, sizeof(bytes));
	msg_begin(&b, MSG_SESSION, 0);
	msg_put_str(&b, MSG_FIELD_USER, span_str(user));
	msg_put_str(&b, MSG_FIELD_ROOT, span_str(where));
	msg_put_str(&b, MSG_FIELD_MAILBOX, SPAN("alice/"));
	msg_put_str(&b, MSG_FIELD_CLIENT_ADDR, span_str(from));
	msg_put_str(&b, MSG_FIELD_SESSION, SPAN("abc"));
	msg_put_opt(&b, MSG_FIELD_PREREAD, preread);
	msg_put_u64(&b, MSG_FIELD_TLS, 1);
	must(msg_end(&b, 1) && msg_read(buf_span(&b), &in));
	parent_fn(&in, &pair[1], 1);
	explicit_bzero(bytes, sizeof(bytes)); /* it has to be copied */
	return pair[0];
}

/* Notes the user and a line; "crowd" if he is one too many. */
static void
serve(struct session_in *in)
{
	struct span line;

	must(in->tls && in->store && span_eq(in->mailbox, SPAN("alice/")));
	if (in->too_many) {
		note("crowd");
		return;
	}
	note("%.*s", (int)in->user.n, in->user.p);
	if (stream_line(in->stream, 64, STREAM_CRLF, TASK_NEVER, &line) ==
	    STREAM_OK)
		note("%.*s", (int)line.n, line.p);
	else
		note("gone");
}

static const struct worker_spec spec = {
	.in_max = 64,
	.out_max = 64,
	.serve = serve,
};

static void
be_worker(void *arg)
{
	(void)arg;
	worker_serve(&spec);
	ended_at = task_now() / 1000;
}

static void
begin(void)
{
	seen[0] = '\0';
	stopping = orphaned = false;
	spares = true;
	ended_at = -1;
	must(task_spawn(be_worker, NULL, "worker"));
	task_sleep(task_now());
	task_sleep(task_now());
}

static const char *
run(task_fn *fn)
{
	struct conf *c;
	struct why why;

	bell_init(&stop_bell, "stop");
	snprintf(root, sizeof(root), "%s", spool_path("mail"));
	spool_write(spool_path("main.cf"),
	    SPAN("mail_max_userip_connections = 2\n"));
	c = conf_load(spool_dir, NULL, 0, &why);
	must(c && worker_warm_up(c, &why) == 0);
	task_run_virtual(fn, NULL);
	conf_free(c);
	return seen;
}

static void
talk(void *arg)
{
	int fd;

	(void)arg;
	begin();
	fd = begin_session("alice", "192.0.2.1", root, SPAN("early\r\n"));
	task_sleep(task_after(1000));
	close(fd);
	fd = begin_session("bob", "192.0.2.1", root, SPAN(""));
	must(send(fd, "late\r\n", 6, 0) == 6);
	task_sleep(task_after(2 * MINUTE));
	close(fd);
}

static void
a_session_gets_what_was_said_and_an_idle_worker_leaves(void **state)
{
	(void)state;
	assert_string_equal(run(talk), "alice early bob late spare@61 ");
	assert_int_equal(ended_at, 61);
}

/* The broker had sent a session before it heard that the worker wants to go. */
static void
race(void *arg)
{
	int fd;

	(void)arg;
	begin();
	spares = false;
	task_sleep(task_after(MINUTE + 1000));
	fd = begin_session("alice", "192.0.2.1", root, SPAN(""));
	task_sleep(task_after(1000));
	say_to_worker(MSG_SPARE);
	task_sleep(task_after(5 * MINUTE));
	must(send(fd, "hello\r\n", 7, 0) == 7);
	task_sleep(task_after(1000));
	close(fd);
}

static void
a_session_on_its_way_is_served_to_its_end(void **state)
{
	(void)state;
	assert_string_equal(run(race), "spare@60 alice hello ");
	assert_int_equal(ended_at, 362);
}

static void
crowd(void *arg)
{
	int fds[5];

	(void)arg;
	begin();
	fds[0] = begin_session("alice", "192.0.2.1", root, SPAN(""));
	fds[1] = begin_session("alice", "192.0.2.1", root, SPAN(""));
	fds[2] = begin_session("alice", "192.0.2.1", root, SPAN(""));
	fds[3] = begin_session("alice", "192.0.2.2", root, SPAN(""));
	task_sleep(task_after(1000));
	close(fds[0]);
	task_sleep(task_after(1000));
	fds[4] = begin_session("alice", "192.0.2.1", root, SPAN(""));
	task_sleep(task_after(1000));
	for (size_t i = 1; i < COUNT_OF(fds); i++)
		close(fds[i]);
}

static void
a_user_has_so_many_sessions_from_one_address(void **state)
{
	(void)state;
	assert_string_equal(run(crowd),
	    "alice alice crowd alice gone alice gone gone gone spare@63 ");
}

static void
intrude(void *arg)
{
	int other, long_one;

	(void)arg;
	begin();
	other = begin_session("alice", "192.0.2.1", "/else", SPAN(""));
	long_one = begin_session("alice", "192.0.2.1", root,
	    SPAN("0123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789"));
	task_sleep(task_after(1000));
	note(recv(other, seen, 0, 0) == 0 ? "closed" : "open");
	close(other);
	close(long_one);
}

static void
a_session_of_another_root_is_not_served(void **state)
{
	(void)state;
	assert_string_equal(run(intrude), "closed spare@60 ");
}

static void
orphan(void *arg)
{
	int fd;

	(void)arg;
	begin();
	fd = begin_session("alice", "192.0.2.1", root, SPAN(""));
	task_sleep(task_after(1000));
	orphaned = true;
	bell_ring(&stop_bell);
	task_sleep(task_after(10 * MINUTE));
	note("still");
	close(fd);
}

static void
without_a_broker_sessions_go_on_to_their_end(void **state)
{
	(void)state;
	assert_string_equal(run(orphan), "alice still gone ");
	assert_int_equal(ended_at, 601);
}

static void
stop(void *arg)
{
	int fd;

	(void)arg;
	begin();
	fd = begin_session("alice", "192.0.2.1", root, SPAN(""));
	task_sleep(task_after(1000));
	task_cancel_others();
	task_sleep(task_after(1000));
	close(fd);
}

static void
told_to_end_at_once_sessions_hear_of_it(void **state)
{
	(void)state;
	assert_string_equal(run(stop), "alice gone ");
	assert_int_equal(ended_at, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(
		    a_session_gets_what_was_said_and_an_idle_worker_leaves),
		SPOOL_TEST(a_session_on_its_way_is_served_to_its_end),
		SPOOL_TEST(a_user_has_so_many_sessions_from_one_address),
		SPOOL_TEST(a_session_of_another_root_is_not_served),
		SPOOL_TEST(without_a_broker_sessions_go_on_to_their_end),
		SPOOL_TEST(told_to_end_at_once_sessions_hear_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
