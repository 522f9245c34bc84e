/*
 * fleet.h - the workers of a transport that is a service of master.cf: smtp,
 * relay, lmtp. Private to qmgr.
 *
 * Master listens on the service's socket and starts its workers; each takes one
 * connection of ours and greets us by a HELLO. So one connection more than there
 * are workers always waits there for the next: one that is started anew, or
 * replaces another. Who is there when we start is known when nobody has come for
 * a moment.
 */
#ifndef QMGR_FLEET_H
#define QMGR_FLEET_H

#include "base/list.h"
#include "base/span.h"

struct fleet;
struct entry;
struct settings;

/* Makes the fleets that the settings name; others end by themselves. */
void fleets_refresh(void);

/* Whether it is known of each who is there, or that nobody is. */
bool fleets_settled(void);

/* NULL: it is no service that delivers. */
struct fleet *fleet_find(const char *transport);

/* For logs: the service's name. */
const char *fleet_name(const struct fleet *f);

/* No worker of it is there: the entry waits for one, or is given up. */
void fleet_wait(struct fleet *f, struct entry *e);

/* One of its workers is gone. */
void fleet_left(struct fleet *f);

#endif
