/*
 * private.h - what the files of lib/conf share; private to lib/conf.
 */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "conf/conf.h"

enum {
	CONF_PATH_MAX = 1536,
};

/* Puts the place where `name` was set before what is wrong with it. */
int conf_blame(const struct conf *c, const char *name, const struct why *inner,
    struct why *why);

#endif
