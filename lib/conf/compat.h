/*
 * compat.h - hints of compatibility_level: some defaults are others below a level,
 * and who counts on one of these is told, so that he can set it for good.
 *
 * A program opens one struct compat for each such parameter of its own, and where
 * the old default makes the difference it says so, once:
 *
 *	if (compat_is_news(&own.compat))
 *		log_info("using backwards-compatible default setting ...");
 */
#ifndef CONF_COMPAT_H
#define CONF_COMPAT_H

#include "conf/conf.h"

#include <stdatomic.h>

struct compat {
	const char
	    *value; /* the old default, that is in use; NULL: it is not */
	atomic_bool told;
};

/* It lives as long as `c` does. */
void compat_open(struct compat *x, const struct conf *c, const char *name);

/* True once, where the old default is in use. Any thread may ask. */
bool compat_is_news(struct compat *x);

/* The old default of a parameter that is in use, or NULL. */
const char *compat_default(const struct conf *c, const char *name);

#endif
