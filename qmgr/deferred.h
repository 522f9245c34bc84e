/*
 * deferred.h - messages that wait, the one that is due first in front. A heap.
 */
#ifndef QMGR_DEFERRED_H
#define QMGR_DEFERRED_H

#include "qmgr/message.h"

struct deferred {
	struct message **heap;
	size_t n;
	size_t max;
};

/* Adds `m` by its ->due. */
void deferred_add(struct deferred *d, struct message *m);
void deferred_remove(struct deferred *d, struct message *m);

/* The one that is due first, or NULL. */
struct message *deferred_first(const struct deferred *d);

#endif
