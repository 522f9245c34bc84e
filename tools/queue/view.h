/*
 * view.h - the queue as it is shown, for people or as JSON objects. A message is
 * begun once, or again and again while its recipients come in several pieces.
 */
#ifndef TOOLS_QUEUE_VIEW_H
#define TOOLS_QUEUE_VIEW_H

#include "queue/queue.h"

enum {
	VIEW_REASON_MAX = 512,
};

struct view {
	bool json;
	bool long_ids; /* of text: columns are wider */

	/* Its own. */
	bool in_list; /* a recipient of this object is out */
	char id[QUEUE_ID_MAX];
	struct span reason; /* printed last; empty: none */
	char reason_storage[VIEW_REASON_MAX];
	uint64_t size;
	unsigned count;
};

struct view_message {
	struct span id;
	struct span folder; /* "active", "hold" ... */
	struct span sender; /* empty: MAILER-DAEMON */
	uint64_t size;
	int64_t arrived; /* microseconds */
	bool forced; /* it was made to expire */
};

/* Begins a message, unless it is the one whose recipients go on. */
void view_message(struct view *v, const struct view_message *m);

/* A recipient of it; `reason`: why it waits, or empty. */
void view_rcpt(struct view *v, struct span addr, struct span reason);

/* Ends the last, and says what all come to. */
void view_end(struct view *v);

#endif
