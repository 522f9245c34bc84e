/*
 * handover.h - what fronts ask of the broker: to take a connection, and, for
 * lmtpd, a channel to a process that delivers. A token of authd's is for either.
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

/* A process of a mailbox's owner. */
struct handover_inbox {
	int fd; /* a channel to it, the caller's */
	pid_t pid;
	uint64_t tree; /* what has the same can be delivered to at once */
};

/*
 * Spends a token for a mailbox. DONE, or not: then it can only be asked for anew.
 * May sleep.
 */
MUST_USE enum handover_result handover_inbox(struct span token,
    struct handover_inbox *inbox_r);

#endif
