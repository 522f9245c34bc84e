/*
 * watch.h - files that the workers of a service have read, and whether one has
 * changed since.
 *
 * A worker cannot see them once it has changed its root, so master looks: when
 * inotify tells of a change in one of their folders, or once a minute, as not all
 * file systems tell. It never opens them.
 */
#ifndef MASTER_WATCH_H
#define MASTER_WATCH_H

#include "base/list.h"
#include "base/span.h"

enum {
	WATCH_FILES_MAX = 1024, /* of a service */
};

/* The files of a service. */
struct watch {
	struct link files;
	size_t n;
};

void watch_init(struct watch *w);
void watch_fini(struct watch *w);

/*
 * A worker has read `path`, which is absolute, when it had this stamp. What the
 * first one has read counts: one that comes later may have read a newer file.
 */
void watch_add(struct watch *w, struct span path, uint64_t stamp);

/*
 * The first file that is another than it was, or NULL. Each change is told once;
 * a file that is gone may be about to come back, and is no change.
 */
const char *watch_changed(struct watch *w);

/* Waits until it is time to look at all of them. False: cancelled. May sleep. */
MUST_USE bool watch_wait(void);

#endif
