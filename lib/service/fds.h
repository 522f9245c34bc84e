/*
 * fds.h - which descriptors a daemon is born with; private to those who start
 * daemons (master, broker), to lib/service, and to postlogd.
 *
 * All but the listeners are always there. What has no use in a daemon is
 * /dev/null: FDS_LIMITS of a worker of the broker, FDS_CLOCK in a release.
 */
#ifndef SERVICE_FDS_H
#define SERVICE_FDS_H

enum {
	FDS_LOG = 3, /* the stream to postlogd */
	FDS_PARENT = 4, /* a channel to who started it */
	FDS_LIMITS = 5, /* the shared counts of the service */
	FDS_CLOCK = 6, /* with -Dtest_hooks: the offset of the clock */
	FDS_LISTEN = 7, /* and on: what master opened */
	FDS_LISTEN_MAX = 64, /* of one service */
};

#endif
