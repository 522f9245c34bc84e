/*
 * systemd.h - how a service manager hears of us, and gives us sockets: the
 * protocols of sd_notify(3) and sd_listen_fds(3), without the library, as what
 * runs as root links little. Any manager that speaks them will do.
 *
 *	[Service]
 *	Type=notify-reload
 *	ExecStart=/usr/sbin/postrider start-fg
 *
 * With a .socket unit it binds the ports, so that no client finds one closed
 * while the suite is replaced by another version, and an ordinary user may serve
 * port 25. Its sockets are found by their addresses, not their order. One of
 * [::] that takes IPv4 too (BindIPv6Only=default) stands for 0.0.0.0 as well.
 */
#ifndef MASTER_SYSTEMD_H
#define MASTER_SYSTEMD_H

#include "base/defs.h"
#include "net/addr.h"

/* Remembers what the environment says, which may be emptied then. */
void systemd_take(void);

/*
 * The socket that was given for this address; listening, and the caller's now.
 * -1: there is none. `covered_r`: another one that was given takes its clients.
 */
int systemd_adopt(const struct addr *a, bool *covered_r);

/* Tells of sockets for which there is no service, and closes them. */
void systemd_close_rest(void);

/* The states of a service. Nobody listening is fine. */
void systemd_ready(void);
void systemd_reloading(void);
void systemd_stopping(void);

#endif
