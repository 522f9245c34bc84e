/*
 * channel.h - packets and descriptors to and from another process, in a task.
 *
 * A channel is a seqpacket socket (base/sock.h). One task receives; any may
 * send: sending never waits. What the socket does not take is kept and goes out
 * while the receiving task waits; what would make that more than `keep_max`
 * bytes is refused, and the caller says what that means. Descriptors that are
 * sent are taken over and closed once they are on their way.
 */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include "base/buf.h"
#include "base/sock.h"
#include "net/stream.h"

struct channel;

/* Takes over `fd`. Packets have at most `packet_max` bytes. Never NULL. */
struct channel *channel_new(int fd, size_t packet_max, size_t keep_max);

/* Closes; what was kept is lost. NULL is fine. Returns NULL. */
struct channel *channel_free(struct channel *ch);

/*
 * Sends, or keeps to send. False: the peer is gone, or too much is kept; the
 * descriptors are closed all the same. Where the system does not let it send,
 * the channel ends: both ends receive what is on its way, and then STREAM_EOF.
 */
MUST_USE bool channel_send(struct channel *ch, struct span packet,
    const int *fds, size_t n);

/*
 * Receives the next packet, which is good until the next call, and up to
 * SOCK_FDS_MAX descriptors, now the caller's. Sends meanwhile what was kept.
 * STREAM_EOF: the peer is gone; STREAM_FAILED: a packet too long. May sleep.
 */
MUST_USE enum stream_result channel_recv(struct channel *ch, int64_t deadline,
    struct span *packet_r, int fds_r[SOCK_FDS_MAX], size_t *n_r);

/* Waits until all that was kept is sent. By the receiving task. May sleep. */
MUST_USE enum stream_result channel_flush(struct channel *ch, int64_t deadline);

/* For CLEANUP. */
static inline void
channel_freep(struct channel **ch)
{
	channel_free(*ch);
}

/* Whether the peer may still take something: a send that failed asked too much. */
bool channel_is_open(const struct channel *ch);

/* Bytes that are kept. */
size_t channel_kept(const struct channel *ch);

/* Who is at the other end: pid 0 if that cannot be known. */
struct sock_peer channel_peer(const struct channel *ch);

#endif
