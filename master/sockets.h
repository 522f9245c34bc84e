/*
 * sockets.h - what master listens on, for others to accept.
 *
 * Sockets are kept across reloads as long as the plan wants them, so that no
 * client ever finds a port closed.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include "master/dirs.h"
#include "master/plan.h"

/*
 * Opens what `plan` wants and is not open yet. On failure returns -errno with
 * `why`, and nothing has changed. Blocks.
 */
MUST_USE int sockets_open(const struct plan *plan, const struct dirs_owners *o,
    struct why *why);

/* Closes what `plan` does not want. */
void sockets_close_others(const struct plan *plan);

/* The descriptor of a socket; -1 if the machine lacks the address. */
int sockets_find(const struct plan_socket *s);

/* Opens a path of this mode for mail_owner; it is not kept here. */
MUST_USE int sockets_open_path(const struct plan_socket *s,
    const struct dirs_owners *o, struct why *why);

#endif
