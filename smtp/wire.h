/*
 * wire.h - content as SMTP and LMTP send it: CRLF, dots, lines that fit.
 *
 * Content is kept with lines that end in LF. On the wire they end in CRLF, one
 * that begins with a dot gets one more (RFC 5321, section 4.5.2), and CRLF.CRLF
 * ends it all. A line longer than `line_max` goes on in a next one that begins
 * with a blank, as Postfix has it. A CR that stands in a line becomes a blank: a
 * server that takes it for the end of a line must not be shown commands.
 */
#ifndef SMTP_WIRE_H
#define SMTP_WIRE_H

#include "base/buf.h"

struct wire {
	size_t line_max; /* 0: any length */
	size_t in_line; /* bytes of the line that is being written */
	bool inside; /* not at the beginning of a line */
};

enum {
	WIRE_ROOM = 8, /* that any byte, and the end, find enough */
};

/* Encodes from the front of *in as long as `out` has room. */
void wire_put(struct wire *w, struct span *in, struct buf *out);

/* The end: the last line's, and the dot. */
void wire_end(struct wire *w, struct buf *out);

#endif
