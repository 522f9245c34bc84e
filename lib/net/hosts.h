/*
 * hosts.h - the system's files of hosts and services, read by ourselves.
 *
 * The C library's own look-ups load modules and may ask a network; here only
 * /etc/hosts and /etc/services count. Both are text of the administrator's.
 */
#ifndef NET_HOSTS_H
#define NET_HOSTS_H

#include "net/addr.h"

enum {
	HOSTS_ADDRS_MAX = 16,
	HOSTS_NAME_MAX = 255,
};

/* Finds the addresses of `name` in a hosts file. Returns how many. Blocks. */
size_t hosts_find(const char *file, struct span name,
    struct addr addrs_r[HOSTS_ADDRS_MAX]);

/* The same in the text of such a file, for who cannot open it any more. Plain. */
size_t hosts_find_in(struct span text, struct span name,
    struct addr addrs_r[HOSTS_ADDRS_MAX]);

/* Finds the first name of an address, NUL-terminated. False: none. Blocks. */
MUST_USE bool hosts_name(const char *file, const struct addr *addr,
    char name_r[HOSTS_NAME_MAX + 1]);

/*
 * Finds a TCP port by number, by `known` ("smtp=25, a=b=465", as the parameter
 * known_tcp_ports), or in a services file. False: there is none. Blocks.
 */
MUST_USE bool port_find(const char *file, struct span known, struct span name,
    uint16_t *port_r);

#endif
