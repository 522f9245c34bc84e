/*
 * restrictions.h - the restriction lists of main.cf, compiled, and their tables.
 */
#ifndef SMTPD_RESTRICTIONS_H
#define SMTPD_RESTRICTIONS_H

#include "conf/conf.h"

/*
 * Fills in what `resources` has of them. `params` are read before. Returns 0, or
 * -errno with `why`. Blocks.
 */
MUST_USE int restrictions_open(const struct conf *c, struct why *why);

#endif
