/*
 * worker.h - a delivery worker: one of the broker's, for the owner of some
 * mailboxes, or one of a transport's fleet (fleet.h). Private to qmgr.
 *
 * The broker's is made when an entry needs one, is asked for, and starts when the
 * broker sends its channel; one of a fleet is made when it has greeted us. It is
 * freed when its channel has ended and nobody refers to it.
 */
#ifndef QMGR_WORKER_H
#define QMGR_WORKER_H

#include "base/list.h"
#include "net/channel.h"
#include "qmgr/qmgr.h"

struct fleet;

struct worker {
	struct link in_all;
	struct fleet *fleet; /* of a transport; NULL: the broker's, of a uid */
	uid_t uid;
	gid_t gid;
	unsigned slot;
	pid_t pid;
	struct channel *channel; /* NULL: not there yet, or gone */
	bool asked; /* the broker is */
	bool greeted;
	bool spare; /* it wants to end: no more for it */
	unsigned refs;
	unsigned under_way; /* deliveries */
	unsigned waiting; /* entries: it is not there yet, or has too much */
	struct link deliveries;
	struct link pending;
	uint32_t acks[RECORD_BATCH]; /* to be sent */
	size_t acks_n;
};

struct worker *worker_find(uid_t uid, gid_t gid, unsigned slot);
struct worker *worker_make(uid_t uid, gid_t gid, unsigned slot);

/* The one after `w`, the first after NULL; NULL after the last. */
struct worker *worker_next(struct worker *w);

/* Its channel has come: hands over what waited. */
void worker_start(struct worker *w, int fd, pid_t pid);

/*
 * One of a fleet has greeted us over `ch`, which is taken over if that is true.
 */
struct msg_in;
MUST_USE bool worker_join(struct fleet *f, struct channel *ch,
    const struct msg_in *hello);

/* For logs: "deliver", or its transport. */
const char *worker_name(const struct worker *w);

/* There is none to be had: what waited is deferred, and `w` is gone. */
void worker_refused(struct worker *w, const char *text);

/* Its channel is full: the entry waits until the worker has answered others. */
void worker_postpone(struct worker *w, struct entry *e);

/* Deliveries (delivery.c). Hands the entry over; may sleep, and `w` may go. */
void delivery_hand_over(struct worker *w, struct entry *e);

/* A RESULT: of one of ours, or of a former life. */
void delivery_take_result(struct worker *w, const struct msg_in *in);

/* It ended without an answer: again, up to AGENT_TRIES times. */
void delivery_retry(struct entry *e);
void delivery_retry_all(struct worker *w);

/* All of it that has no verdict gets "later", for this reason; `e` is gone. */
void delivery_give_up(struct entry *e, const char *dsn, const char *text);

/*
 * The same where its transport cannot be reached: all that waits for that is
 * deferred, and what comes within transport_retry_time, too.
 */
void delivery_suspend(struct entry *e, const char *text);

/* Former lives (former.c): a HELLO names what `w` still has; and `w` is gone. */
void former_hello(struct worker *w, const struct msg_in *in);

/* Whether it named this message, and has not said all that came of it. */
bool former_has(const struct worker *w, struct span id);
void former_end(const struct worker *w);

/* Asks the broker for `w`, now or as soon as there is a broker. */
void broker_ask(struct worker *w);

/* A worker said hello, or is gone: maybe all that were there have. */
void broker_greeted(void);

#endif
