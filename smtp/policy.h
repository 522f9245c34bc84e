/*
 * policy.h - how much TLS a next hop needs: smtp_tls_security_level, or what
 * smtp_tls_policy_maps has for it.
 *
 * A next hop that is a domain is looked up, then its parents with a dot in front;
 * one with brackets or a port as it is written. A value is a level; attributes
 * behind it, and levels that verify names, are not known to this version: mail to
 * such a next hop waits, as nothing weaker was asked for.
 */
#ifndef SMTP_POLICY_H
#define SMTP_POLICY_H

#include "conf/conf.h"
#include "smtp/hosts.h"

struct policy {
	enum smtp_level level;
	struct tls *context; /* NULL with SMTP_TLS_NONE */
};

/* Opens the tables. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int policy_open(const struct conf *c, bool lmtp, struct why *why);

/* Whether there are any tables. Plain. */
bool policy_has_tables(void);

/* False: see *fault_r. Plain. */
MUST_USE bool policy_find(struct span nexthop, struct policy *policy_r,
    struct fault *fault_r);

#endif
