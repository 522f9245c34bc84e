/*
 * hints.h - what is told, once each, of a mail that is taken only because defaults
 * are those of an older compatibility_level, in Postfix's words.
 */
#ifndef SMTPD_HINTS_H
#define SMTPD_HINTS_H

#include "access/access.h"
#include "conf/conf.h"

/* Returns 0, or -EINVAL with `why`. Blocks. */
MUST_USE int hints_open(const struct conf *c, struct why *why);

/* Somebody may because he is in mynetworks. */
void hints_network(const struct access_facts *facts);

/* Mail for a domain is taken as that of a domain of relay_domains. */
void hints_relay_domain(struct span domain);

/* Whether the next may be of use. */
bool hints_wants_relay(const struct access_facts *facts);

/* A recipient elsewhere was taken of somebody who may not relay. */
void hints_relay(const struct access_facts *facts);

#endif
