/*
 * names.h - which messages lie where, read at once: many are then found by their IDs
 * without reading a folder for each.
 */
#ifndef TOOLS_QUEUE_NAMES_H
#define TOOLS_QUEUE_NAMES_H

#include "queue/queue.h"

struct named {
	struct queue_id id;
	struct queue_name name;
	enum queue_place place;
	bool taken; /* for who takes each once */
};

struct names {
	struct named *rows;
	size_t n;
	size_t max;
};

/* Adds those of a folder. Returns 0 or -errno. Blocks. */
MUST_USE int names_read(struct names *l, struct queue *q,
    enum queue_place place);
void names_add(struct names *l, const struct named *row);
void names_free(struct names *l);

/* By ID, so that names_find() finds one; it returns NULL if there is none. */
void names_sort(struct names *l);
struct named *names_find(const struct names *l, const char *id);

#endif
