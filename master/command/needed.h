/*
 * needed.h - the services that a master.cf should have, each with its reason: for
 * `postrider upgrade-configuration`, and for what `import` makes of another's.
 */
#ifndef MASTER_COMMAND_NEEDED_H
#define MASTER_COMMAND_NEEDED_H

#include "conf/conf.h"
#include "conf/entry.h"

struct needed {
	const char *service; /* "broker/unix" */
	const char *entry; /* the line */
	const char *reason;
};

/*
 * Calls `fn` for each that `entries` lack and this configuration wants. Where a
 * program is to run once, a line of any name will do.
 */
typedef void needed_fn(const struct needed *n, void *arg);
void needed_each_missing(const struct conf *c, const struct entry_list *entries,
    needed_fn *fn, void *arg);

/*
 * Adds them to DIR/master.cf, all in one go, and then calls `fn` for each. Returns
 * 0, or -errno with `why`. Blocks.
 */
MUST_USE int needed_add(const char *dir, const struct conf *c, needed_fn *fn,
    void *arg, struct why *why);

#endif
