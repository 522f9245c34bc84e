/*
 * hosts.h - which servers a next hop has: MX records in order of preference,
 * those of the same in any order, and their addresses.
 *
 * RFC 5321, section 5.1; RFC 7505 (null MX). A list ends where this machine
 * itself stands in it; if it stands first, mail would come back.
 */
#ifndef SMTP_HOSTS_H
#define SMTP_HOSTS_H

#include "base/arena.h"
#include "net/addr.h"
#include "smtp/session.h"
#include "smtp/target.h"

/* How they are found. */
struct hosts_conf {
	bool lmtp;
	bool by_dns; /* of smtp_host_lookup */
	bool by_file;
	bool randomize;
	bool with_own; /* who is this machine is a server like any other */
	struct span file; /* the text of /etc/hosts, with ->by_file */
	const char *myhostname;
	const char *services; /* a file of ports' names, beside known_ports */
	const char *known_ports;
	uint16_t port;
	unsigned families; /* DNS_IPV4 ... */
	struct addr *own; /* addresses of this machine */
	size_t own_n;
};

struct host {
	const char *name;
	unsigned preference;
	bool by_mx;
	bool mx_secure; /* and DNSSEC says so */
	struct addr addr; /* with its port */
};

/* Why there is none, or why a server cannot be used. */
struct fault {
	enum smtp_fate fate; /* SMTP_BOUNCED or SMTP_SOFT */
	char dsn[SMTP_DSN_MAX];
	char text[SMTP_TEXT_MAX];
};

void fault_set(struct fault *f, enum smtp_fate fate, const char *dsn,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/*
 * Finds them; all is in `a`, and `c` lives as long as the call. False: see
 * *fault_r. May sleep.
 */
MUST_USE bool hosts_of(const struct hosts_conf *c, const struct target *t,
    struct arena *a, struct host **list_r, size_t *n_r, struct fault *fault_r);

#endif
