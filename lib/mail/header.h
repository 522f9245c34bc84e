/*
 * header.h - the head of a message, looked at while it comes in.
 *
 * A message is fed in pieces of any size, lines ending in LF, and goes on to the
 * caller as it came, but for one thing: where the head ends without an empty
 * line, because a line is no header, one is put in, so that no reader takes a
 * body for a head. A line of mbox before the first field, "From x Sat ...", becomes
 * the field Mailbox-Line, as in Postfix. Only the start of each line is held back, until it is known
 * what it is; and fields that the caller wants to change.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"

enum {
	HEADER_NAME_MAX = 256, /* a line with a longer name is no header */
	HEADER_ID_MAX = 512, /* of a Message-ID that is kept */
	HEADER_FIELD_MAX = 102400, /* a longer field is never looked at whole */
};

/* Fields that a complete message has, and their Resent- forms, as BIT()s. */
enum {
	HEADER_HAS_ID = BIT(0),
	HEADER_HAS_DATE = BIT(1),
	HEADER_HAS_FROM = BIT(2),
	HEADER_HAS_RESENT = BIT(3), /* any Resent- field */
	HEADER_HAS_RESENT_ID = BIT(4),
	HEADER_HAS_RESENT_DATE = BIT(5),
	HEADER_HAS_RESENT_FROM = BIT(6),
};

struct header_scan;

/* The head is over, but for what this adds by header_scan_add(). */
typedef void header_end_fn(struct header_scan *h);

/*
 * Whether fields of this name are to be looked at whole, by ->field. The colon is
 * not in it.
 */
typedef bool header_wants_fn(struct span name, void *arg);

/*
 * A field that was wanted: `value` is all behind its colon, with the end of its
 * line and folds as they are. True: *value_r is to stand there instead.
 */
typedef bool header_field_fn(struct span name, struct span value,
    struct span *value_r, void *arg);

/* Takes what goes on. False: it does not, and that is final. */
typedef bool header_put_fn(struct span piece, void *arg);

/* All zero but for ->put, ->end and ->arg is the start of a message. */
struct header_scan {
	header_put_fn *put;
	header_end_fn *end; /* may be NULL */
	header_wants_fn *wants; /* NULL: none */
	header_field_fn *field;
	void *arg;
	unsigned has; /* HEADER_HAS_... so far */
	unsigned received; /* fields Received so far: hops */
	size_t id_n;
	char id[HEADER_ID_MAX]; /* the Message-ID, once the head is over */

	/* Private from here on. */
	enum {
		HEADER_LINE, /* a line begins */
		HEADER_INSIDE, /* of a field */
		HEADER_BODY,
	} at;
	bool failed;
	bool in_id;
	bool whole; /* the field is kept in ->text */
	size_t name_n; /* of it: its name with the colon */
	struct buf text;
	bool any; /* there was a field */
	size_t held_n;
	char held[HEADER_NAME_MAX];
};

/* Takes a piece. False: ->put did not. */
MUST_USE bool header_scan_feed(struct header_scan *h, struct span piece);

/* Adds to the head, from ->end: whole fields. */
void header_scan_add(struct header_scan *h, struct span fields);

/* The message is over. False: as above. */
MUST_USE bool header_scan_end(struct header_scan *h);

/* Gives back what was kept. For who has ->wants. */
void header_scan_fini(struct header_scan *h);

#endif
