/*
 * worker.h - a delivery worker and the broker it comes from; private to qmgr.
 *
 * A worker is made when an entry needs one, is asked for, and starts when the
 * broker sends its channel. It is freed when its channel has ended and nobody
 * refers to it.
 */
#ifndef QMGR_WORKER_H
#define QMGR_WORKER_H

#include "base/list.h"
#include "net/channel.h"
#include "qmgr/qmgr.h"

struct worker {
	struct link in_all;
	uid_t uid;
	gid_t gid;
	unsigned slot;
	pid_t pid;
	struct channel *channel; /* NULL: not there yet, or gone */
	bool asked; /* the broker is */
	bool greeted;
	unsigned refs;
	unsigned under_way; /* deliveries */
	unsigned waiting; /* entries for a worker that is not there yet */
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

/* There is none to be had: what waited is deferred, and `w` is gone. */
void worker_refused(struct worker *w, const char *text);

/* Deliveries (delivery.c). Hands the entry over; may sleep, and `w` may go. */
void delivery_hand_over(struct worker *w, struct entry *e);

/* A RESULT: of one of ours, or of a former life. */
struct msg_in;
void delivery_take_result(struct worker *w, const struct msg_in *in);

/* It ended without an answer: again, up to AGENT_TRIES times. */
void delivery_retry(struct entry *e);
void delivery_retry_all(struct worker *w);

/* All of it that has no verdict gets "later", for this reason; `e` is gone. */
void delivery_give_up(struct entry *e, const char *dsn, const char *text);

/* Former lives (former.c): a HELLO names what `w` still has; and `w` is gone. */
void former_hello(struct worker *w, const struct msg_in *in);
void former_end(const struct worker *w);

/* Asks the broker for `w`, now or as soon as there is a broker. */
void broker_ask(struct worker *w);

/* A worker said hello, or is gone: maybe all that were there have. */
void broker_greeted(void);

#endif
