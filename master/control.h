/*
 * control.h - what `postrider status` asks of a running master.
 *
 * A seqpacket socket, private/master, that root and mail_owner can connect to.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include "base/defs.h"

/* A task: answers at the listening socket `*(int *)arg`. */
void control_run(void *arg);

/* The clock that all daemons map, or NULL. */
void control_set_clock(_Atomic int64_t *clock);

#endif
