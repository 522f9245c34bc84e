/*
 * sock.h - Unix sockets that carry packets and descriptors.
 *
 * SOCK_SEQPACKET keeps packets apart and in order, and with SCM_RIGHTS a packet
 * can bring descriptors along. All sockets made here are close-on-exec and
 * non-blocking; what a peer sends is foreign data.
 */
#ifndef BASE_SOCK_H
#define BASE_SOCK_H

#include "base/defs.h"
#include "base/span.h"

#include <sys/types.h>

enum {
	SOCK_FDS_MAX = 8, /* descriptors with one packet */
};

/* Who is at the other end, as the kernel knows it (SO_PEERCRED). */
struct sock_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* Connects to the seqpacket socket at `path`. Returns it, or -errno. */
MUST_USE int sock_unix_connect(const char *path);

/*
 * Makes a listening seqpacket (or, with `type`, stream) socket at `path`, which
 * replaces what was there, with these mode bits. Returns it, or -errno.
 */
MUST_USE int sock_unix_listen(const char *path, int type, mode_t mode);

/* Makes a connected pair. Returns 0 or -errno. */
MUST_USE int sock_pair(int fds_r[2]);

/*
 * Sends a packet with `n` descriptors, which stay the caller's. Does not wait.
 * Returns 0, or -errno: -EAGAIN if there is no room.
 */
MUST_USE int sock_send(int fd, struct span packet, const int *fds, size_t n);

/*
 * Receives a packet of at most `max` bytes and at most SOCK_FDS_MAX descriptors,
 * close-on-exec, now the caller's. Does not wait. Returns its length, 0 if the
 * peer is gone, or -errno: -EAGAIN if there is none, -EMSGSIZE if it was longer
 * or had more descriptors (which are closed).
 */
MUST_USE ssize_t sock_recv(int fd, char *to, size_t max,
    int fds_r[SOCK_FDS_MAX], size_t *n_r);

/* Waits until `fd` can be read, at most `ms`. False: it cannot. Blocks. */
MUST_USE bool sock_wait_input(int fd, int64_t ms);

/* Returns 0 or -errno. */
MUST_USE int sock_peer(int fd, struct sock_peer *peer_r);

#endif
