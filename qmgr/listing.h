/*
 * listing.h - all messages of the queue, read from their files some at a time: for
 * who wants to know what is in those that only wait.
 *
 *	struct listing l = { 0 };
 *	struct page *p = zalloc(sizeof(*p));
 *
 *	listing_make(&l);
 *	for (size_t at = 0; page_fill(p, &l, at); at += p->n)
 *		... p->rows[i].message, if p->rows[i].err is 0
 *	page_free(p);
 *	listing_free(&l);
 */
#ifndef QMGR_LISTING_H
#define QMGR_LISTING_H

#include "qmgr/qmgr.h"

enum {
	PAGE_MAX = 64, /* messages read by one offload */
};

/* Where a message lay when it was looked for last. */
struct listed {
	struct queue_id id;
	struct queue_name name;
	enum queue_place place;
};

struct listing {
	struct listed *rows;
	size_t n;
	size_t max;
};

/* What one offload reads. */
struct page {
	size_t n;
	struct shown {
		struct listed *at;
		struct arena *arena;
		struct queue_message message;
		int err;
	} rows[PAGE_MAX];
};

/*
 * All there are, those on hold too. Whatever was accepted before is in it: we may
 * not have been told of it yet. And what moves meanwhile is in it once. May sleep.
 */
void listing_make(struct listing *l);
void listing_free(struct listing *l);

/*
 * Reads those from the `first` on, and frees what was on the page. False: there
 * are no more. May sleep.
 */
bool page_fill(struct page *p, const struct listing *l, size_t first);
void page_free(struct page *p);

#endif
