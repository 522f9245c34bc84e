/*
 * entries.h - users of the system, as lines of passwd, known for a few seconds.
 *
 * A message to many asks the same names again and again. Who is removed or moved
 * is noticed ENTRIES_MS later at most. That a name is none can be kept, too, as an
 * empty line; nobody does so of what a user might be called in a moment. Times are
 * the caller's, in milliseconds. One table a process.
 */
#ifndef SERVICE_ENTRIES_H
#define SERVICE_ENTRIES_H

#include "base/defs.h"
#include "base/span.h"

enum {
	ENTRIES_MS = 5000,
	ENTRIES_MAX = 1024, /* places, of which a name may have any of four */
	ENTRIES_LINE_MAX = 4096,
};

/* The line of `name`, borrowed until the next entries_put(). Plain. */
MUST_USE bool entries_find(struct span name, int64_t now, struct span *line_r);

/* Copies it, in the place of another if need be. Plain. */
void entries_put(struct span name, struct span line, int64_t now);

#endif
