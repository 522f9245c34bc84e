/*
 * stuff.h - a message as RETR and TOP send it (RFC 1939, sections 3, 5 and 7).
 *
 * A message is kept with LF or with CRLF; on the wire each line ends in CRLF, a
 * line that begins with a dot gets one more, and a line with a dot alone ends it
 * all. A last line without an end gets one, which no size tells. All other bytes
 * stay as they are. It goes piece by piece, in any pieces. Pure.
 */
#ifndef POP3D_STUFF_H
#define POP3D_STUFF_H

#include "base/buf.h"

enum {
	STUFF_ROOM = 8, /* that one byte, or the end, needs at most */
};

struct stuff {
	bool is_top; /* only the header and ->lines of the body */
	bool in_body;
	bool ended; /* TOP has all it wants */
	bool cr; /* the last byte was one */
	size_t column; /* bytes of this line so far */
	uint64_t lines; /* of the body that are still to be sent */
};

/* RETR, and TOP with a number of lines. */
void stuff_all(struct stuff *s);
void stuff_top(struct stuff *s, uint64_t lines);

/*
 * Takes bytes from the front of *in until it is empty, `out` has less than
 * STUFF_ROOM, or TOP has all: then *in is emptied, too.
 */
void stuff_put(struct stuff *s, struct span *in, struct buf *out);

/* Appends the end. `out` has STUFF_ROOM. */
void stuff_end(struct stuff *s, struct buf *out);

#endif
