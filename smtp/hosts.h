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

struct host {
	const char *name;
	unsigned preference;
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

/* Finds them; all is in `a`. False: see *fault_r. May sleep. */
MUST_USE bool hosts_of(const struct target *t, struct arena *a,
    struct host **list_r, size_t *n_r, struct fault *fault_r);

#endif
