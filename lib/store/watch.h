/*
 * watch.h - who is to be told when a mailbox changes. Private to lib/store.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "base/hash.h"
#include "base/list.h"
#include "store/store.h"

/* A mailbox that is watched: in a list of those of new/ and those of cur/. */
struct watcher {
	struct link in_new;
	struct link in_cur;
	int new; /* the watches, or -1 */
	int cur;
	struct link marked; /* while it is to be told */
	void *tag;
};

struct watches;

struct watches *watch_free(struct watches *w);

#endif
