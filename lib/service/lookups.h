/*
 * lookups.h - asks tables that block, for who may not: proxymap and authd.
 *
 * Of one server (dict_server()) so many are asked at a time, each by a thread; ten
 * times as many may wait for their turn, and who comes then is told so at once. So
 * a server that is slow holds up nobody who asks another one.
 */
#ifndef SERVICE_LOOKUPS_H
#define SERVICE_LOOKUPS_H

#include "dict/dict.h"

enum {
	LOOKUPS_WAIT = 10, /* times as many may wait */
	LOOKUPS_THREADS = 64, /* for task_pool_set(), unless lookup_threads */
	LOOKUPS_LIMIT = 4, /* until lookups_set_limit() */
};

/* How many at a time for each server: table_connection_limit. Plain. */
void lookups_set_limit(size_t n);

/* As dict_get(); `d` must stay open. May sleep. */
MUST_USE enum dict_result lookups_ask(struct dict *d, struct span key,
    struct arena *arena, struct span *value_r, struct why *why);

#endif
