/*
 * dial.h - connecting to a server, and what it is called in what we say of it.
 */
#ifndef SMTP_DIAL_H
#define SMTP_DIAL_H

#include "smtp/hosts.h"

struct dial {
	int64_t timeout; /* milliseconds; 0: as long as the system tries */
	struct addr bind4, bind6; /* where from; AF_UNSPEC: anywhere */
};

/* Returns the socket, or -errno; -ECANCELED: we are to end. May sleep. */
MUST_USE int dial_connect(const struct dial *d, const struct addr *a);

/*
 * "NAME[ADDR]", and with `port`, but for a Unix socket, ":PORT". Of a new arena
 * of a session, which has room for it.
 */
const char *dial_name(struct arena *a, const struct host *h, bool port);

#endif
