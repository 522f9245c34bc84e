#include "tests/unit/record.h"
#include "tests/unit/test.h"

#include "net/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PACKET_MAX = 4096,
	KEEP_MAX = 1 << 20,
	MANY = 500,
};

static int ends[2];
static unsigned long got[MANY];
static size_t got_n;
static size_t passed_n;
static enum stream_result last;

static bool
send_number(struct channel *ch, unsigned long i, const int *fds, size_t n)
{
	static char packet[PACKET_MAX];

	snprintf(packet, sizeof(packet), "%lu", i);
	return channel_send(ch, (struct span){ packet, sizeof(packet) }, fds,
	    n);
}

static void
receive_all(void *arg)
{
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(ends[1], PACKET_MAX, KEEP_MAX);
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	(void)arg;
	while ((last = channel_recv(ch, TASK_NEVER, &packet, fds, &n)) ==
	    STREAM_OK) {
		must(got_n < MANY);
		got[got_n++] = strtoul(packet.p, NULL, 10);
		passed_n += n;
		while (n > 0)
			close(fds[--n]);
	}
}

static void
open_ends(void)
{
	assert_int_equal(sock_pair(ends), 0);
	got_n = passed_n = 0;
}

static size_t
count_open(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool all_kept;

/* More than the socket takes at once: the rest goes while it waits. */
static void
send_many(void *arg)
{
	struct channel *ch CLEANUP(channel_freep) = channel_new(ends[0],
	    PACKET_MAX, MANY * PACKET_MAX);

	(void)arg;
	all_kept = true;
	for (unsigned long i = 0; i < MANY; i++) {
		int fd = i % 50 ? -1 : dup(STDERR_FILENO);

		all_kept &= send_number(ch, i, &fd, fd >= 0);
	}
	all_kept &= channel_kept(ch) > 0;
	must(task_spawn(receive_all, NULL, "peer"));
	must(channel_flush(ch, TASK_NEVER) == STREAM_OK);
}

static void
what_is_sent_comes_in_order(void **state)
{
	size_t open_before = count_open();

	(void)state;
	open_ends();
	task_run(send_many, NULL);
	assert_true(all_kept);
	assert_int_equal(got_n, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(got[i], i);
	assert_int_equal(passed_n, MANY / 50);
	assert_int_equal(last, STREAM_EOF);
	assert_int_equal(count_open(), open_before);
}

static size_t taken_n;

static void
send_until_refused(void *arg)
{
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(ends[0], PACKET_MAX, 3 * PACKET_MAX);
	int fd;

	(void)arg;
	for (taken_n = 0; taken_n < MANY; taken_n++) {
		fd = dup(STDERR_FILENO);
		if (!send_number(ch, taken_n, &fd, 1))
			break;
	}
	must(channel_kept(ch) == 3 * PACKET_MAX);
}

static void
more_than_keep_max_is_refused(void **state)
{
	size_t open_before = count_open();

	(void)state;
	open_ends();
	task_run(send_until_refused, NULL);
	close(ends[1]);
	assert_in_range(taken_n, 4, MANY - 1);
	assert_int_equal(count_open(), open_before);
}

static bool taken_by_nobody;

static void
send_to_nobody(void *arg)
{
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(ends[0], PACKET_MAX, KEEP_MAX);
	int fd = dup(STDERR_FILENO);

	(void)arg;
	close(ends[1]);
	taken_by_nobody = send_number(ch, 1, &fd, 1);
}

static void
a_peer_that_is_gone_takes_nothing(void **state)
{
	size_t open_before = count_open();

	(void)state;
	open_ends();
	task_run(send_to_nobody, NULL);
	assert_false(taken_by_nobody);
	assert_int_equal(count_open(), open_before);
}

static void
wait_for_nothing(void *arg)
{
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(ends[0], PACKET_MAX, KEEP_MAX);
	int fds[SOCK_FDS_MAX];
	struct span packet;
	size_t n;

	(void)arg;
	last = channel_recv(ch, task_after(1000), &packet, fds, &n);
}

static void
receiving_has_a_deadline(void **state)
{
	(void)state;
	open_ends();
	task_run_virtual(wait_for_nothing, NULL);
	assert_int_equal(last, STREAM_TIMEOUT);
	close(ends[1]);
}

static void
a_packet_too_long_fails(void **state)
{
	static char long_one[PACKET_MAX + 1] = "x";

	(void)state;
	open_ends();
	assert_int_equal(sock_send(ends[1],
			     (struct span){ long_one, sizeof(long_one) }, NULL,
			     0),
	    0);
	task_run(wait_for_nothing, NULL);
	assert_int_equal(last, STREAM_FAILED);
	close(ends[1]);
}

enum {
	HUGE_MAX = 4 << 20, /* no socket takes so much at once */
};

static enum stream_result then[2];

/* The system refuses; the peer is there, and has said something. */
static void
send_too_much(void *arg)
{
	struct channel *ch CLEANUP(
	    channel_freep) = channel_new(ends[0], HUGE_MAX, HUGE_MAX);
	int fds[SOCK_FDS_MAX];
	char *huge = zalloc(HUGE_MAX);
	struct span packet;
	size_t n;

	(void)arg;
	taken_by_nobody = channel_send(ch, (struct span){ huge, HUGE_MAX },
	    NULL, 0);
	free(huge);
	for (size_t i = 0; i < COUNT_OF(then); i++)
		then[i] = channel_recv(ch, task_after(1000), &packet, fds, &n);
}

static void
what_cannot_send_ends(void **state)
{
	char byte;

	(void)state;
	open_ends();
	assert_int_equal(sock_send(ends[1], SPAN("x"), NULL, 0), 0);
	task_run_virtual(send_too_much, NULL);
	assert_false(taken_by_nobody);
	assert_int_equal(then[0], STREAM_OK);
	assert_int_equal(then[1], STREAM_EOF);
	assert_int_equal(read(ends[1], &byte, 1), 0);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(receiving_has_a_deadline), /* libuv now has its own open */
		TEST(what_is_sent_comes_in_order),
		TEST(more_than_keep_max_is_refused),
		TEST(a_peer_that_is_gone_takes_nothing),
		TEST(a_packet_too_long_fails),
		TEST(what_cannot_send_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
