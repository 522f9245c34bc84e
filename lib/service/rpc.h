/*
 * rpc.h - questions to another daemon of the suite, and their answers.
 *
 * A process has one connection to the peer, which one task keeps and makes anew
 * when it is lost; any number of other tasks ask over it, each by a call of its
 * own. What tells an answer's question is the request id.
 *
 *	struct rpc_call call;
 *	char bytes[1024];
 *	struct buf b;
 *
 *	rpc_begin(authd, &call, bytes, sizeof(bytes));
 *	buf_init(&b, packet, sizeof(packet));
 *	msg_begin(&b, MSG_USER, call.id);
 *	msg_put_str(&b, MSG_FIELD_USER, user);
 *	if (rpc_ask(authd, &call, &b, task_after(MINUTE)) == RPC_ANSWERED)
 *		look_at(&call.in);
 *
 * Who gets no answer knows nothing: it is never a "no".
 */
#ifndef SERVICE_RPC_H
#define SERVICE_RPC_H

#include "base/hash.h"
#include "service/msg.h"
#include "task/task.h"

struct rpc;

/* `peer` is how the log calls it, and borrowed. */
struct rpc *rpc_new(const char *peer, size_t packet_max);

/* Its task has ended, and nobody asks. NULL is fine. Returns NULL. */
struct rpc *rpc_free(struct rpc *r);

/* A task's work: keeps the connection to a socket until it is cancelled. */
void rpc_keep(struct rpc *r, const char *path);

/* The same with a connection that is there, which it takes over, until it ends. */
void rpc_serve(struct rpc *r, int fd);

enum rpc_result {
	RPC_ANSWERED, /* ->in */
	RPC_AWAY, /* the peer is not there, or takes no more: nothing was sent */
	RPC_LOST, /* the connection, and with it the answer */
	RPC_TIMEOUT,
	RPC_CANCELLED, /* we are to end */
};

struct rpc_call {
	uint32_t id;
	struct msg_in in; /* points into ->bytes */
	int fd; /* that came with it, the caller's; or -1 */

	/* lib/service's own. */
	enum rpc_result result;
	bool asked;
	char *bytes;
	size_t max;
	struct hash_link by_id;
	struct bell answered;
};

/* Makes a call with a new id; an answer longer than `max` is RPC_LOST. */
void rpc_begin(struct rpc *r, struct rpc_call *c, char *bytes, size_t max);

/*
 * Sends `packet`, a message begun with c->id which this ends, and waits for the
 * answer. May be called again with the same id, where a conversation goes on.
 * What comes after the deadline is nobody's. May sleep.
 */
MUST_USE enum rpc_result rpc_ask(struct rpc *r, struct rpc_call *c,
    struct buf *packet, int64_t deadline);

/* The same, with descriptors, which are taken over whatever comes of it. */
MUST_USE enum rpc_result rpc_ask_fds(struct rpc *r, struct rpc_call *c,
    struct buf *packet, const int *fds, size_t n, int64_t deadline);

/* Sends what has no answer. False: the peer is away. Plain. */
MUST_USE bool rpc_tell(struct rpc *r, struct buf *packet);

/* Whether the peer is there now. Plain. */
bool rpc_is_up(const struct rpc *r);

/* Waits for the peer to be there, as it may just be starting. May sleep. */
MUST_USE bool rpc_wait(struct rpc *r, int64_t deadline);

#endif
