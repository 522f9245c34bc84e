/*
 * inbox.h - where a recipient's mail is to be put, and the processes that do it.
 *
 * Authd finds the mailbox of an address and tells the broker of it; we get a token,
 * and for that, of the broker, a channel to the process of the mailbox's owner. What
 * is behind the token we never learn. Both are kept for some seconds, for the next
 * mail to the address; a channel that was not used for half a minute is closed,
 * before its process would end for want of work.
 */
#ifndef LMTP_INBOX_H
#define LMTP_INBOX_H

#include "lmtp/session.h"
#include "service/rpc.h"

#include <sys/types.h>

enum {
	INBOX_TOKEN = 16,
	INBOX_PACKET_MAX = 32768, /* of a PUT, and of its RESULT */
};

struct inbox {
	pid_t pid; /* of who delivers; with a ->tree: what goes in one PUT */
	uint64_t tree;
	char token[INBOX_TOKEN];
};

/* The tasks that ask authd and the broker; they end when they are cancelled. */
void inbox_open(void);
void inbox_close(void);

/* May sleep. */
MUST_USE enum lmtp_found inbox_find(struct span addr, struct inbox *inbox_r);

/*
 * Asks the process of `i`: begins `call` and sends the PUT that put(b, id, arg)
 * makes, with a copy of `fd`. The answer's bytes are in `answer`. Where there is
 * none it is not known what came of it. May sleep.
 */
typedef void inbox_put_fn(struct buf *b, uint32_t id, const void *arg);
MUST_USE enum rpc_result inbox_put(const struct inbox *i, struct rpc_call *call,
    struct buf *answer, inbox_put_fn *put, const void *arg, int fd);

#endif
