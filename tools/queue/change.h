/*
 * change.h - what postsuper does to a message's file, once it is borrowed, and how
 * it is told: one row for each of its options.
 */
#ifndef TOOLS_QUEUE_CHANGE_H
#define TOOLS_QUEUE_CHANGE_H

#include "tools/queue/names.h"

struct change {
	char option;
	const char *did; /* "removed": of a message */
	const char *total; /* "Deleted": at the end */
	bool wanted; /* so the total is told */
	unsigned count;
};

/* NULL: there is no such option. */
struct change *change_find(char option);

/* The i-th, in the order in which totals are told; NULL: that is all. */
struct change *change_at(size_t i);

/* Which folders are looked into if none is named. */
bool change_applies(const struct change *c, enum queue_place place);

/*
 * Whether a file of the queue is no message, and not one that is being written. It
 * need not be borrowed. Blocks.
 */
bool change_is_needed(struct queue *q, const struct named *row);

enum change_result {
	CHANGE_DONE,
	CHANGE_NOTHING, /* it is so already */
	CHANGE_RELEASED, /* it had expired; what was done is that */
	CHANGE_GONE, /* the file is not there */
	CHANGE_FAILED, /* *err_r */
};

/* Blocks. */
MUST_USE enum change_result change_do(const struct change *c, struct queue *q,
    const struct named *row, int *err_r);

#endif
