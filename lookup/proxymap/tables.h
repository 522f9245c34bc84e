/*
 * tables.h - tables that are open, by name, until their file or the configuration
 * changes; private to proxymap.
 */
#ifndef PROXYMAP_TABLES_H
#define PROXYMAP_TABLES_H

#include "conf/conf.h"
#include "dict/dict.h"

struct table;

/* With a main.cf for them alone, as they are opened by threads. Takes it over. */
void tables_init(struct conf *c);

/*
 * The same once more, after a reload: what is open is closed when nobody asks it
 * any more, and opened anew by who asks next. May sleep.
 */
void tables_renew(struct conf *c);

/* Opens it, or takes the one that is open. NULL with `why`. May sleep. */
struct table *tables_hold(const char *name, struct why *why);

/* NULL is fine. May sleep. */
void tables_drop(struct table *t);

struct dict *table_dict(const struct table *t);

/* A task: closes connections that nobody uses, until cancelled. */
void tables_tend(void *arg);

#endif
