/*
 * replace.h - a text file gets new content at once; private to lib/conf.
 *
 * Who reads it sees the old file or the new one. The new one has the owner and
 * the mode of the old, and is on stable storage before it has its name. Who
 * replaces it at the same time waits: the temporary file, FILE.tmp, is the lock.
 */
#ifndef CONF_REPLACE_H
#define CONF_REPLACE_H

#include "base/defs.h"
#include "base/span.h"
#include "base/why.h"

#include <stdio.h>

/*
 * Writes what `text` becomes to `out`. Returns 0, or -errno with `why`: then the
 * file stays as it is.
 */
typedef int replace_fn(FILE *out, struct span text, void *arg, struct why *why);

/* Has `fn` rewrite DIR/NAME, which exists. Returns 0 or -errno with `why`. Blocks. */
MUST_USE int conf_replace(const char *dir, const char *name, replace_fn *fn,
    void *arg, struct why *why);

#endif
