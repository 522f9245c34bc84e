/*
 * borrow.h - files of the queue for a while: the queue manager is asked to let them
 * lie, and keeps away from them until the next are borrowed, or we end. What is on
 * hold or damaged is not the manager's; and if there is none, all files are ours.
 */
#ifndef TOOLS_QUEUE_BORROW_H
#define TOOLS_QUEUE_BORROW_H

#include "tools/queue/names.h"

enum {
	BORROW_MAX = 256, /* at a time */
};

/* Connects to the queue manager, if it runs, in the queue's folder. */
void borrow_begin(void);

/*
 * Borrows rows [0, n), and sets got[i] where that file is ours now; others are being
 * delivered. What was borrowed before is given back. Blocks.
 */
void borrow(const struct named *rows, size_t n, bool got[BORROW_MAX]);

/* Gives all back; the manager then looks where they lie. */
void borrow_end(void);

/* The IDs of the messages that the manager has active, in any folder. Blocks. */
void borrow_active(struct names *l);

#endif
