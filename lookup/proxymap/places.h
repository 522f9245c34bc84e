/*
 * places.h - which table a question means: a place in the configuration of the
 * service that asks, as no name of a table is taken from anybody; private to
 * proxymap.
 */
#ifndef PROXYMAP_PLACES_H
#define PROXYMAP_PLACES_H

#include "conf/conf.h"

enum {
	PLACES_NAME_MAX = 2048,
};

/* The configuration to look in; the caller's. Forgets what was read before. */
void places_use(const struct conf *c);

/*
 * Finds element number `element` of parameter number `parameter`, as `service` has
 * them (dict_on_ask()). False with `why`: there is no table, or none that proxymap
 * is for. Blocks, for a file or two, when a service asks for the first time.
 */
MUST_USE bool places_find(struct span service, uint64_t parameter,
    uint64_t element, char table_r[PLACES_NAME_MAX], struct why *why);

/* Calls `fn` for each table of all services that may be asked for. Blocks. */
typedef void places_fn(const char *table);
MUST_USE int places_each(places_fn *fn, struct why *why);

#endif
