/*
 * proxymap.h - asks proxymap for what tables say that wait for others: those that
 * dict_is_remote(). A task sleeps meanwhile; in offload it is asked by a connection
 * of its own, and the thread waits.
 */
#ifndef SERVICE_PROXYMAP_H
#define SERVICE_PROXYMAP_H

#include "base/defs.h"

/* In warm_up(), before tables are opened: they are asked by us, as `service`. */
void proxymap_use(const char *service);

/*
 * What a question has of a table's name: by this proxymap sees whether both have
 * the same configuration, as around a reload they may not.
 */
uint64_t proxymap_digest(const char *table);

/* A task: keeps the connection to proxymap's socket `path` until cancelled. */
void proxymap_serve(const char *path);

#endif
