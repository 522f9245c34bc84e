/*
 * fronts.h - deliver's side of the channels to lmtpd.
 *
 * The broker sends one end of a channel with each mailbox that lmtpd may deliver
 * to (MAY_PUT), and what that is called: a token, of which lmtpd knows no more than
 * that it means the recipient it had asked for. A PUT comes with the content, in
 * memory that nobody can change any more, and names mailboxes by tokens; so who
 * gets hold of lmtpd can append mail to mailboxes that authd has found for it, and
 * cannot say where in the file system anything lies.
 *
 * Nothing is remembered for a front: it has its answer, or the channel ended. A
 * token that is not used for a minute is forgotten.
 */
#ifndef LOCAL_DELIVER_FRONTS_H
#define LOCAL_DELIVER_FRONTS_H

#include "service/msg.h"
#include "task/task.h"

/* Not more than `max` at a time; `changed` rings when the following change. */
void fronts_init(size_t max, struct bell *changed);

/* A MAY_PUT has come, with a channel, which is taken over. Plain. */
void fronts_add(const struct msg_in *in, int fd);

/* Deliveries under way, and channels. Plain. */
size_t fronts_running(void);
bool fronts_any(void);

/* When something last came or ended, in task_now(); 0: never. Plain. */
int64_t fronts_last_work(void);

/* Ends all channels. May sleep. */
void fronts_fini(void);

#endif
