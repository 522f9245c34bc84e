/*
 * serve.h - deliver's side of the channel to qmgr.
 *
 * Each DELIVER is a task of its own, which sleeps while a thread writes the
 * mail; the answer is a RESULT, and is kept until qmgr has ACKed it. A qmgr that
 * was started anew comes by an ATTACH of the broker: it is told what is under
 * way (HELLO) and all results that no one has taken, before it decides what to
 * try again. So what crashed in between is delivered once.
 *
 * The worker ends when it was told to and all is done; when it has had nothing
 * to do for a minute; and 30 s after its qmgr went away and no other came. Since
 * it closes the channel first, a DELIVER it has not read is known to qmgr as
 * lost, and tried again.
 */
#ifndef LOCAL_DELIVER_SERVE_H
#define LOCAL_DELIVER_SERVE_H

/* The first task. May sleep. */
void deliver_serve(void *arg);

#endif
