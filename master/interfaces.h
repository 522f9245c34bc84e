/*
 * interfaces.h - on which addresses an inet service listens.
 *
 * A service is PORT or HOST:PORT, where a port may be a name. Without a host
 * inet_interfaces says where, and inet_protocols of which kind.
 */
#ifndef MASTER_INTERFACES_H
#define MASTER_INTERFACES_H

#include "master/plan.h"

/* Fills in s->sockets. Returns 0, or -EINVAL with `why`. Blocks. */
MUST_USE int interfaces_find(const struct plan_params *params,
    const struct service_line *l, struct plan_service *s, struct why *why);

/*
 * A socket that is bound to this address, as a service's is, and does not listen
 * yet; or -errno: EADDRINUSE if somebody listens there.
 */
MUST_USE int interfaces_bind(const struct addr *a);

#endif
