/*
 * watch.h - files that a worker has read; private to those who start daemons
 * (master) and to lib/service.
 *
 * A worker declares each file as it was when it was read, so that a change which
 * comes before the parent looks is not missed.
 */
#ifndef SERVICE_WATCH_H
#define SERVICE_WATCH_H

#include "base/defs.h"

#include <sys/stat.h>

/* What tells a file from what it was before, never 0. */
uint64_t watch_stamp(const struct stat *st);

#endif
