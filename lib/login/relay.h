/*
 * relay.h - bytes between a client's TLS and the process that has its mailbox.
 *
 * While nothing moves it holds no memory but the two ends: what is read goes to
 * the other side at once, and only what that does not take is kept, at most
 * RELAY_MAX bytes each way; then nothing is read from where it came. The end of
 * either side goes on to the other when all before it is out.
 */
#ifndef LOGIN_RELAY_H
#define LOGIN_RELAY_H

#include "net/stream.h"

enum {
	RELAY_MAX = 16384, /* bytes that are read at a time */
	RELAY_LAST_MS = 10000, /* for the client, when the worker has closed */
};

/*
 * Until both have ended, or one has failed. The buffers of `client`, which hold
 * nothing, are given back; `worker` is a socket, and is closed. When the task is
 * cancelled the client is told `goodbye`, which may be empty. May sleep.
 */
void relay_run(struct stream *client, int worker, struct span goodbye);

#endif
