#include "net/channel.h"

#include "base/list.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A packet that the socket did not take yet. */
struct kept {
	struct link link;
	size_t n;
	size_t fds_n;
	int fds[SOCK_FDS_MAX];
	char bytes[];
};

struct channel {
	int fd;
	size_t packet_max;
	size_t keep_max;
	struct link kept;
	size_t kept_n; /* bytes */
	struct bell filled; /* rung when there is something to send */
	bool broken; /* the peer does not take any more */
	char in[];
};

struct channel *
channel_new(int fd, size_t packet_max, size_t keep_max)
{
	struct channel *ch = zalloc(sizeof(*ch) + packet_max);

	ch->fd = fd;
	ch->packet_max = packet_max;
	ch->keep_max = keep_max;
	list_init(&ch->kept);
	bell_init(&ch->filled, "a packet to send");
	return ch;
}

static void
close_all(const int *fds, size_t n)
{
	while (n > 0)
		task_close(fds[--n]);
}

static void
drop_kept(struct channel *ch, struct kept *k)
{
	link_remove(&k->link);
	ch->kept_n -= k->n;
	close_all(k->fds, k->fds_n);
	explicit_bzero(k->bytes, k->n); /* it may be a password */
	free(k);
}

static void
drop_all(struct channel *ch)
{
	while (!list_empty(&ch->kept))
		drop_kept(ch, container_of(ch->kept.next, struct kept, link));
}

struct channel *
channel_free(struct channel *ch)
{
	if (!ch)
		return NULL;
	drop_all(ch);
	task_close(ch->fd);
	explicit_bzero(ch->in, ch->packet_max);
	free(ch);
	return NULL;
}

/* Sends in order until the socket is full. Then, or with nothing left, 0. */
static int
send_kept(struct channel *ch)
{
	int err = 0;

	while (!err && !list_empty(&ch->kept)) {
		struct kept *k = container_of(ch->kept.next, struct kept, link);
		struct span packet = { k->bytes, k->n };

		err = sock_send(ch->fd, packet, k->fds, k->fds_n);
		if (!err)
			drop_kept(ch, k);
	}
	return err == -EAGAIN ? 0 : err;
}

static void
keep(struct channel *ch, struct span packet, const int *fds, size_t n)
{
	struct kept *k = zalloc(sizeof(*k) + packet.n);

	k->n = packet.n;
	k->fds_n = n;
	memcpy(k->bytes, packet.p, packet.n);
	if (n > 0)
		memcpy(k->fds, fds, n * sizeof(*fds));
	list_append(&ch->kept, &k->link);
	ch->kept_n += packet.n;
	bell_ring(&ch->filled);
}

/*
 * Both ends see the end then, after what had been sent: whatever it was that did
 * not let us send, nobody waits for what never comes.
 */
static void
break_off(struct channel *ch)
{
	ch->broken = true;
	drop_all(ch);
	(void)shutdown(ch->fd, SHUT_RDWR);
}

bool
channel_send(struct channel *ch, struct span packet, const int *fds, size_t n)
{
	int err = ch->broken ? -EPIPE : -EAGAIN;

	must(packet.n > 0 && packet.n <= ch->packet_max && n <= SOCK_FDS_MAX);
	if (!ch->broken && list_empty(&ch->kept))
		err = sock_send(ch->fd, packet, fds, n);
	if (err == -EAGAIN && packet.n <= ch->keep_max - ch->kept_n) {
		keep(ch, packet, fds, n);
		return true;
	}
	if (err && err != -EAGAIN)
		break_off(ch);
	close_all(fds, n);
	return !err;
}

/*
 * Waits for a packet, and for room if there is something to send. A peer that
 * takes nothing may still have sent something, so that is no end.
 */
static enum stream_result
wait_turn(struct channel *ch, unsigned events, int64_t deadline)
{
	struct task_wait w[] = {
		{ .fd = ch->fd, .events = events },
		{ .bell = &ch->filled },
	};

	if (!list_empty(&ch->kept))
		w[0].events |= TASK_OUTPUT;

	enum stream_result r = stream_result_of(
	    task_wait_any(w, COUNT_OF(w), deadline));

	if (r == STREAM_OK && send_kept(ch) < 0)
		break_off(ch);
	return r;
}

enum stream_result
channel_recv(struct channel *ch, int64_t deadline, struct span *packet_r,
    int fds_r[SOCK_FDS_MAX], size_t *n_r)
{
	ssize_t n = -EAGAIN;

	*n_r = 0;
	while (n == -EAGAIN) {
		enum stream_result r = wait_turn(ch, TASK_INPUT, deadline);

		if (r != STREAM_OK)
			return r;
		n = sock_recv(ch->fd, ch->in, ch->packet_max, fds_r, n_r);
	}
	if (n == 0 || n == -ECONNRESET || n == -EPIPE)
		return STREAM_EOF;
	if (n < 0)
		return STREAM_FAILED;
	*packet_r = (struct span){ ch->in, (size_t)n };
	return STREAM_OK;
}

enum stream_result
channel_flush(struct channel *ch, int64_t deadline)
{
	while (!list_empty(&ch->kept)) {
		enum stream_result r = wait_turn(ch, TASK_OUTPUT, deadline);

		if (r != STREAM_OK)
			return r;
	}
	return ch->broken ? STREAM_EOF : STREAM_OK;
}

bool
channel_is_open(const struct channel *ch)
{
	return !ch->broken;
}

size_t
channel_kept(const struct channel *ch)
{
	return ch->kept_n;
}

struct sock_peer
channel_peer(const struct channel *ch)
{
	struct sock_peer peer;

	if (sock_peer(ch->fd, &peer) < 0)
		return (struct sock_peer){ 0 };
	return peer;
}
