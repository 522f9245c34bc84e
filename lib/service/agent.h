/*
 * agent.h - a delivery agent's side of the channel to qmgr.
 *
 * A DELIVER begins a work, which ends with a RESULT for all of its recipients;
 * that is kept until qmgr has ACKed it. A qmgr that was started anew is told what
 * is under way and what no one has taken (HELLO, then the RESULTs) before it
 * decides what to try again. So what crashed in between is delivered once.
 *
 * There is one agent in a process. Who it gets its channels from is the caller's
 * affair: the broker sends them (agent_attach()), or qmgr comes to a listener of
 * master's (agent_serve()).
 */
#ifndef SERVICE_AGENT_H
#define SERVICE_AGENT_H

#include "base/list.h"
#include "service/msg.h"
#include "task/task.h"

enum {
	AGENT_ID_MAX = 64,
};

/* A delivery under way, embedded in what the caller knows of it. */
struct agent_work {
	struct link link;
	uint32_t request;
	char id[AGENT_ID_MAX]; /* of the message, for HELLO */
};

/*
 * A DELIVER has come, with the queue file, which is taken over; -1: without. It
 * begins a work in a task of its own, or logs why it cannot. Must not wait.
 */
typedef void agent_deliver_fn(const struct msg_in *in, int fd);

/* First of all. Of more than `max` works at once the rest waits in the channel. */
void agent_init(agent_deliver_fn *fn, size_t max);

/*
 * `fd` leads to the qmgr of now, and is taken over; the channel before, if any,
 * is of no use any more. With `hello` it is told what there is. Plain.
 */
void agent_attach(int fd, bool hello);

/*
 * Accepts qmgr's connections on `listener`, one after the other, until told to
 * end; then tells qmgr, finishes what is under way, and lets qmgr take the
 * results. Each connection begins with a HELLO. May sleep.
 */
void agent_serve(int listener, struct bell *stop, bool (*is_stopping)(void));

/* The work is under way from now on, and is no more. Plain. */
void agent_begin(struct agent_work *w, const struct msg_in *in);
void agent_end(struct agent_work *w);

/* Sends the RESULT of `w`, and keeps it until it was ACKed. Plain. */
void agent_result(const struct agent_work *w, struct span result);

/* Works under way, and whether nothing is left to do or to be taken. Plain. */
size_t agent_running(void);
bool agent_is_done(void);

/* Whether there is a qmgr; if not, since when, in task_now(). Plain. */
bool agent_is_attached(void);
int64_t agent_lost(void);

/* When something last began, ended, or came. Plain. */
int64_t agent_last_work(void);

/* Rung when any of these changes. */
struct bell *agent_changed(void);

/* Ends the channel and waits for its task; frees what no one took. May sleep. */
void agent_fini(void);

#endif
