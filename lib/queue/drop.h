/*
 * drop.h - what sendmail hands to postdrop, and what lies in maildrop/.
 *
 * The magic, then records: a type (1 byte), a length (4 bytes, little-endian) and
 * that many bytes. DROP_END is the last, and nothing comes behind it: without it
 * a file is not complete. All of it was written by a user of the machine, so each
 * record is checked before it counts: known types, bounded lengths, and in all but
 * content no NUL, CR or LF. Pure.
 */
#ifndef QUEUE_DROP_H
#define QUEUE_DROP_H

#include "base/buf.h"

enum drop_type {
	DROP_SENDER = 'S', /* an address, maybe empty */
	DROP_NAME = 'F', /* of the person, for From: */
	DROP_ENVID = 'V', /* RFC 3461 */
	DROP_RET = 'T', /* "1" or "2": QUEUE_RET_... */
	DROP_8BIT = '8', /* empty: some byte is not ASCII */
	DROP_NOTIFY = 'N', /* digits: QUEUE_NOTIFY_..., of all recipients */
	DROP_TRACE =
	    'M', /* "1": tell of the first attempt; "2": and make none */
	DROP_RCPT = 'R', /* an address */
	DROP_CONTENT = 'C', /* a piece of the message; lines end in LF */
	DROP_END = 'X', /* empty */
};

enum {
	DROP_HEAD = 5, /* type and length */
	DROP_CONTENT_MAX = 8192, /* of a record */
	DROP_TEXT_MAX = 1400, /* of all others; an address has 1282 */
	DROP_RECORD_MAX = DROP_HEAD + DROP_CONTENT_MAX,
	DROP_RCPTS_MAX = 100000, /* in one message */
};

#define DROP_MAGIC "PRdrop1\n"

struct drop_record {
	enum drop_type type;
	struct span text;
};

enum drop_result {
	DROP_TAKEN,
	DROP_MORE, /* *in ends within a record, or at its start */
	DROP_BAD, /* this is none of ours */
	DROP_OVER, /* DROP_END was taken, and nothing is left */
};

/* All zero is the start. */
struct drop_scan {
	bool begun; /* behind the magic */
	bool ended;
	bool has_content;
	size_t rcpts;
};

/*
 * Takes a record from the front of *in, which has to have room for one that is
 * DROP_RECORD_MAX long. It points into the input.
 */
enum drop_result drop_take(struct drop_scan *s, struct span *in,
    struct drop_record *record_r);

/* Appends a record to `out`. */
void drop_put(struct buf *out, enum drop_type type, struct span text);

/* The number in a record of one; 0: it is none up to `max`. */
unsigned drop_number(struct span text, unsigned max);

#endif
