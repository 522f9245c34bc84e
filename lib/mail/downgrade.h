/*
 * downgrade.h - 8-bit mail for a server that takes only 7 bits (RFC 6152, section
 * 3): what says that it is 8bit or binary becomes quoted-printable (RFC 2045,
 * section 6.7), and multiparts and messages around it become 7bit.
 *
 * The message, whose lines end in LF, is read twice: first by a mime_parser, of
 * whose tree a plan is made, then through downgrade_feed(), which changes what the
 * plan says and passes on the rest. What has 8-bit bytes and does not say so stays
 * as it is, as Postfix has it: nobody knows what it would become.
 */
#ifndef MAIL_DOWNGRADE_H
#define MAIL_DOWNGRADE_H

#include "base/buf.h"
#include "mail/mime.h"

enum {
	DOWNGRADE_ROOM = 96, /* bytes with which downgrade_feed() can go on */
};

/* From here to there something is done; in the order of the message. */
struct downgrade_region {
	uint64_t begin;
	uint64_t end;
	bool is_head; /* its label is changed; else a body, which is encoded */
	bool encodes; /* of a head: the body behind it is */
};

struct downgrade_plan {
	struct downgrade_region *regions;
	size_t n;
};

enum downgrade_result {
	DOWNGRADE_PLANNED,
	DOWNGRADE_TOO_DEEP, /* nested over MIME_DEPTH_MAX, or too many parts */
	DOWNGRADE_FULL, /* the arena is */
};

/* The plan lies in `arena`; of `root` nothing is needed after. */
MUST_USE enum downgrade_result downgrade_plan(const struct mime_part *root,
    struct arena *arena, struct downgrade_plan *plan_r);

/* All zero but for ->plan is the start of a message. */
struct downgrade {
	const struct downgrade_plan *plan;

	/* Private from here on. */
	uint64_t at; /* of the message */
	size_t next; /* region that is, or comes next */
	bool inside; /* it */
	bool in_line; /* of a head: not at the start of a line */
	bool dropping; /* of a head: a field that goes */
	bool labelled; /* of a head: the new label is put */
	size_t column; /* of a body: bytes of the line that is being written */
	char blank; /* of a body: the last byte, which may end a line; or 0 */
	size_t held_n;
	char held[28]; /* of a head: a line's start, which may be a label's */
};

/* Takes from the front of *in as long as `out` has DOWNGRADE_ROOM. */
void downgrade_feed(struct downgrade *d, struct span *in, struct buf *out);

/* The message is over; needs the same room. */
void downgrade_end(struct downgrade *d, struct buf *out);

#endif
