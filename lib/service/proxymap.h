/*
 * proxymap.h - asks proxymap, from a task, for what tables say that wait for
 * others: those that dict_is_remote().
 */
#ifndef SERVICE_PROXYMAP_H
#define SERVICE_PROXYMAP_H

/* In warm_up(), before tables are opened: they are asked by us, as `service`. */
void proxymap_use(const char *service);

/* A task: keeps the connection to proxymap's socket `path` until cancelled. */
void proxymap_serve(void *path);

#endif
