/*
 * deliver.h - deliveries: which server is asked, in which order, and what is
 * answered to qmgr. A delivery is a task.
 */
#ifndef SMTP_DELIVER_H
#define SMTP_DELIVER_H

#include "service/msg.h"

/* Of the worker: more wait in qmgr's channel. */
enum {
	DELIVER_MAX = 512,
};

/* An agent_deliver_fn. */
void deliver_begin(const struct msg_in *in, int fd);

#endif
