/*
 * notify.h - tells the queue manager of new mail, on a stream of names.
 *
 * Nothing here waits for it: a message is safe in incoming/ whether or not it is
 * told. While the queue manager is away nothing is kept but that it has to look
 * into incoming/ itself, which it is told first when it is back.
 */
#ifndef SMTPD_NOTIFY_H
#define SMTPD_NOTIFY_H

#include "base/span.h"

/* A task: keeps the connection to the queue manager's socket `path`. */
void notify_serve(void *path);

/* Tells of a file in incoming/. Plain. */
void notify_new(struct span name);

#endif
