#include "tests/unit/test.h"

#include "login/relay.h"
#include "net/tls_private.h"
#include "task/task.h"
#include "tests/unit/certs.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	MUCH = 3 << 20,
	LAST_WORDS =
	    260000, /* more than the client's socket takes, less than both do */
	BUFFERS_MAX = 2 << 20, /* more than the kernel and we keep on the way */
	MINUTE = 60 * 1000,
};

static char dir[] = "/tmp/postrider-relay-XXXXXX";
static char cert_path[64];
static struct tls *server_tls, *client_tls;

/* An end of the conversation: what it says, and what it has heard. */
struct end {
	struct stream *stream;
	size_t to_say;
	size_t said;
	uint32_t seed; /* of what it says */
	size_t heard;
	uint32_t ear; /* the seed of what it hears */
	int64_t heard_last; /* when */
	size_t piece; /* bytes that it says at a time; 0: all it can */
	int64_t listens_from; /* it reads nothing before */
	int64_t ends_from; /* it waits after its last word */
	bool closes_first; /* when all is said, without listening */
	bool is_wrong;
	bool heard_end;
	int64_t ended;
};

static struct {
	bool tls;
	struct end client, worker;
	int client_fd, server_fd, worker_fd, relay_fd;
	struct task *relay;
	int64_t relay_ended;
	size_t
	    said_by_then; /* by the worker, when the client began to listen */
} fx;

static int
make_tls(void **state)
{
	struct cert one = cert_make(0, "one.test", NULL);
	struct tls_conf conf = { .chain_files = cert_path };
	struct why why;

	(void)state;
	must(mkdtemp(dir));
	snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
	cert_write(cert_path, &one, true);
	server_tls = tls_server_new(&conf, &why);
	client_tls = tls_client_new(&(struct tls_conf){ 0 }, &why);
	cert_fini(&one);
	return server_tls && client_tls ? 0 : -1;
}

static int
free_tls(void **state)
{
	(void)state;
	tls_free(server_tls);
	tls_free(client_tls);
	unlink(cert_path);
	rmdir(dir);
	return 0;
}

static char
next_byte(uint32_t *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return (char)(*seed >> 16);
}

/* The same bytes are offered again where they were not taken. */
static enum stream_step
say_piece(struct end *e, size_t max)
{
	char bytes[3000];
	uint32_t seed = e->seed;
	size_t n = e->to_say - e->said, done;
	enum stream_step step;

	must(max <= sizeof(bytes));
	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		bytes[i] = next_byte(&seed);
	step = stream_try_write(e->stream, (struct span){ bytes, n }, &done);
	for (size_t i = 0; i < done; i++)
		next_byte(&e->seed);
	e->said += done;
	return step;
}

/* Pieces follow each other before anybody else has a turn. */
static enum stream_step
say_some(struct end *e)
{
	enum stream_step step;

	if (e->piece == 0)
		return say_piece(e, 3000);
	do
		step = say_piece(e, e->piece);
	while (step == STREAM_MOVED && e->said < e->to_say);
	return step;
}

static enum stream_step
hear_some(struct end *e)
{
	char bytes[2500];
	size_t n;
	enum stream_step step = stream_try_read(e->stream, bytes, sizeof(bytes),
	    &n);

	for (size_t i = 0; i < n; i++)
		e->is_wrong |= bytes[i] != next_byte(&e->ear);
	e->heard += n;
	if (n > 0)
		e->heard_last = task_now();
	return step;
}

static void
end_saying(struct end *e)
{
	if (e->stream->tls)
		tls_conn_close(e->stream->tls);
	shutdown(e->stream->fd, SHUT_WR);
}

/* Waits for what the last tries need. False: cancelled. */
static bool
wait_for(const struct end *e, enum stream_step in, enum stream_step out)
{
	struct task_wait w = { .fd = e->stream->fd };

	if (in == STREAM_MOVED || out == STREAM_MOVED)
		return task_sleep(task_now()) != TASK_CANCELLED;
	if (!e->heard_end)
		w.events |= TASK_INPUT;
	if (e->said < e->to_say)
		w.events |= TASK_OUTPUT;
	return task_wait_any(&w, 1, TASK_NEVER) == TASK_READY;
}

/* One that answers ends when it has heard all; one that asks ends first. */
static bool
may_end(const struct end *e)
{
	return e->said == e->to_say &&
	    (e != &fx.worker || e->heard_end || e->closes_first);
}

/* Says all and hears all, both at once, until both sides have ended. */
static void
converse(struct end *e)
{
	enum stream_step in, out;
	bool told = false;

	if (e->listens_from > 0)
		task_sleep(e->listens_from);
	do {
		in = out = STREAM_NEEDS_INPUT;
		if (e->said < e->to_say)
			out = say_some(e);
		if (!told && may_end(e)) {
			if (e->ends_from > 0)
				task_sleep(e->ends_from);
			end_saying(e);
			told = true;
		}
		if (told && e->closes_first)
			break;
		if (!e->heard_end)
			in = hear_some(e);
		e->heard_end |= in == STREAM_ENDED;
		if (in == STREAM_ENDED)
			in = STREAM_MOVED;
	} while (!(told && e->heard_end) && in != STREAM_BROKEN &&
	    out != STREAM_BROKEN && wait_for(e, in, out));
	e->ended = task_now();
	e->stream = stream_free(e->stream);
}

static void
be_client(void *arg)
{
	struct stream *s = stream_new(fx.client_fd, 512, 512);
	struct tls_facts facts;

	(void)arg;
	if (fx.tls)
		must(stream_starttls(s, client_tls, NULL, TASK_NEVER, &facts) ==
		    STREAM_OK);
	must(stream_resize(s, 0, 0));
	fx.client.stream = s;
	if (fx.client.listens_from > 0)
		task_sleep(fx.client.listens_from - 1);
	fx.said_by_then = fx.worker.said;
	converse(&fx.client);
}

static void
be_worker(void *arg)
{
	(void)arg;
	fx.worker.stream = stream_new(fx.worker_fd, 0, 0);
	converse(&fx.worker);
}

static void
be_relay(void *arg)
{
	struct stream *s = stream_new(fx.server_fd, 512, 512);
	struct tls_facts facts;

	(void)arg;
	if (fx.tls)
		must(stream_starttls(s, server_tls, NULL, TASK_NEVER, &facts) ==
		    STREAM_OK);
	relay_run(s, fx.relay_fd, SPAN("* BYE\r\n"));
	fx.relay_ended = task_now();
	fx.relay = NULL;
	stream_free(s);
}

static void
make_pair(int *a, int *b)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		 fds) == 0);
	*a = fds[0];
	*b = fds[1];
}

static void
begin(bool tls, size_t up, size_t down)
{
	memset(&fx, 0, sizeof(fx));
	fx.tls = tls;
	fx.client = (struct end){ .to_say = up, .seed = 1, .ear = 2 };
	fx.worker = (struct end){ .to_say = down, .seed = 2, .ear = 1 };
	make_pair(&fx.client_fd, &fx.server_fd);
	make_pair(&fx.relay_fd, &fx.worker_fd);
}

static void
run_all(void *arg)
{
	(void)arg;
	fx.relay = task_spawn(be_relay, NULL, "relay");
	must(fx.relay && task_spawn(be_client, NULL, "client") &&
	    task_spawn(be_worker, NULL, "worker"));
}

static void
assert_all_was_heard(void)
{
	assert_false(fx.client.is_wrong || fx.worker.is_wrong);
	assert_int_equal(fx.worker.heard, fx.client.to_say);
	assert_int_equal(fx.client.heard, fx.worker.to_say);
	assert_true(fx.client.heard_end);
}

static void
all_gets_through_both_ways(void **state)
{
	static const size_t sizes[][2] = { { 0, 0 }, { 1, 1 }, { 100, 50000 },
		{ 300000, 7 }, { MUCH, MUCH } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		for (int tls = 0; tls < 2; tls++) {
			begin(tls, sizes[i][0], sizes[i][1]);
			task_run_virtual(run_all, NULL);
			assert_all_was_heard();
		}
}

static void
who_reads_slowly_slows_only_the_writer(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls, 1000, MUCH);
		fx.client.listens_from = MINUTE;
		task_run_virtual(run_all, NULL);
		assert_all_was_heard();
		assert_true(fx.said_by_then > 0);
		assert_true(fx.said_by_then < BUFFERS_MAX);
	}
}

/*
 * OpenSSL reads ahead: many small records are in its buffer at once, and no event
 * of the socket tells of those that were not taken yet.
 */
static void
what_tls_has_read_ahead_waits_for_nothing(void **state)
{
	(void)state;
	for (size_t n = 1; n < 200; n++) {
		begin(true, n * 10, 0);
		fx.client.piece = 10;
		fx.client.ends_from = MINUTE;
		task_run_virtual(run_all, NULL);
		assert_all_was_heard();
		assert_true(fx.worker.heard_last < MINUTE);
	}
}

/* The client has said QUIT and no more; the answers are still for it. */
static void
a_client_that_has_ended_hears_the_rest(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls, 6, MUCH);
		task_run_virtual(run_all, NULL);
		assert_all_was_heard();
	}
}

static void
last_words_wait_for_some_seconds(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls, 0, LAST_WORDS);
		fx.worker.closes_first = true;
		fx.client.listens_from = 5000;
		task_run_virtual(run_all, NULL);
		assert_false(fx.client.is_wrong);
		assert_int_equal(fx.client.heard, LAST_WORDS);
		begin(tls, 0, LAST_WORDS);
		fx.worker.closes_first = true;
		fx.client.listens_from = MINUTE;
		task_run_virtual(run_all, NULL);
		assert_true(fx.relay_ended >= RELAY_LAST_MS &&
		    fx.relay_ended <= 2 * RELAY_LAST_MS);
		assert_true(fx.client.heard < LAST_WORDS);
	}
}

static void
a_client_that_is_gone_ends_it(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls, 1000, MUCH);
		fx.client.closes_first = true;
		fx.client.listens_from = 1000;
		task_run_virtual(run_all, NULL);
		assert_true(fx.worker.said < MUCH);
		assert_true(fx.relay_ended < MINUTE);
	}
}

static void
cancel_soon(void *arg)
{
	run_all(arg);
	task_sleep(task_after(100));
	task_cancel(fx.relay);
}

static void
who_is_cancelled_ends_both_sides(void **state)
{
	(void)state;
	begin(true, 0, MUCH);
	fx.client.listens_from = 1000;
	task_run_virtual(cancel_soon, NULL);
	assert_true(fx.relay_ended < 1000);
	assert_true(fx.worker.said < MUCH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_gets_through_both_ways),
		TEST(what_tls_has_read_ahead_waits_for_nothing),
		TEST(who_reads_slowly_slows_only_the_writer),
		TEST(a_client_that_has_ended_hears_the_rest),
		TEST(last_words_wait_for_some_seconds),
		TEST(a_client_that_is_gone_ends_it),
		TEST(who_is_cancelled_ends_both_sides),
	};

	return cmocka_run_group_tests(tests, make_tls, free_tls);
}
