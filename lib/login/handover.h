/*
 * handover.h - brings a connection to the broker; private to lib/login.
 */
#ifndef LOGIN_HANDOVER_H
#define LOGIN_HANDOVER_H

#include "base/defs.h"
#include "base/span.h"

#include <sys/types.h>

struct handover {
	struct span token;
	struct span service;
	struct span remote;
	struct span local;
	struct span session;
	struct span tag;
	struct span preread; /* what the client had said in advance */
	struct span secured;
	bool tls;
};

enum handover_result {
	HANDOVER_DONE, /* the process that has it is known */
	HANDOVER_REFUSED, /* the connection is still ours */
	HANDOVER_LOST, /* nobody knows whose it is: it is to be closed */
};

/* A task: keeps the connection to the broker's socket, until it is cancelled. */
void handover_serve(void *path);

/* Takes `fd` over, which the mailbox's process is to get. May sleep. */
MUST_USE enum handover_result handover(const struct handover *h, int fd,
    pid_t *pid_r);

#endif
