/*
 * codec.h - base64 and quoted-printable, undone in pieces (RFC 2045, section 6).
 *
 * A body comes in pieces of any size and what was encoded goes into a buf. Both
 * are lenient as RFC 2045 wants it: what is no base64 is skipped, and a wrong
 * escape stands for itself. The strict base64 of protocols is base/base64.h.
 */
#ifndef MAIL_CODEC_H
#define MAIL_CODEC_H

#include "base/buf.h"

/* All zero is the start. */
struct base64 {
	uint32_t bits;
	unsigned n; /* letters in ->bits: 0 to 3 */
	bool over; /* there was padding */
};

/*
 * Decodes as much of *in as `out` has room for, and takes it: three bytes of room
 * are always enough to go on.
 */
void base64_feed(struct base64 *b, struct span *in, struct buf *out);

/* All zero is the start. `word` is the Q encoding of RFC 2047: "_" is a blank. */
struct qp {
	bool word;
	size_t held_n;
	char held[80]; /* blanks that may end a line, or an escape */
};

/* The same for quoted-printable; a hundred bytes of room are enough. */
void qp_feed(struct qp *q, struct span *in, struct buf *out);

/* The text is over; needs the same room. */
void qp_end(struct qp *q, struct buf *out);

#endif
