/*
 * private.h - what the files of lib/conf share; private to lib/conf.
 */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "conf/conf.h"

enum {
	CONF_PATH_MAX = 1536,
};

/* Takes "name = value" apart. Returns 0 or -EINVAL with `why`. */
MUST_USE int conf_split(struct span text, const char *file, unsigned line,
    struct span *name_r, struct span *value_r, struct why *why);

/* Puts the place where `name` was set before what is wrong with it. */
int conf_blame(const struct conf *c, const char *name, const struct why *inner,
    struct why *why);

#endif
