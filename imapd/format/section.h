/*
 * section.h - what BODY[section]<partial> is, in bytes (RFC 3501, 6.4.5).
 *
 * A section is a range of the message, found in its tree of parts; of HEADER.FIELDS
 * it is the head of which some fields go out. A `struct wire` is fed those bytes
 * and puts out what the client gets: each line with CRLF, NUL as 0x80, and
 * of all that only the piece that was asked for. It is run twice where the size
 * is not known before: once only to count.
 */
#ifndef IMAPD_FORMAT_SECTION_H
#define IMAPD_FORMAT_SECTION_H

#include "imapd/format/out.h"
#include "mail/mime.h"

struct section_range {
	struct mime_place from;
	struct mime_place to;
};

/* False: there is no such part, and the answer is NIL. */
MUST_USE bool section_find(struct mime_part *root,
    const struct imap_fetch *item, struct section_range *range_r);

/* How many of `size` bytes on the wire the item asks for. */
uint64_t section_size(const struct imap_fetch *item, uint64_t size);

struct wire {
	struct out *out; /* NULL: only count */
	const struct imap_fetch *item;
	uint64_t
	    size; /* of all so far, the rest aside that was not asked for */
	uint64_t sent; /* of these, in ->out */

	/* Private from here on. */
	bool cr;
	bool in_line;
	bool keep; /* the field, of HEADER.FIELDS */
	bool over; /* the head has ended */
	size_t name_n;
	char name[256];
};

void wire_init(struct wire *w, struct out *out, const struct imap_fetch *item);

/* Takes a piece of the range, of any size. */
void wire_feed(struct wire *w, struct span piece);

/* The range is over: what was held back goes out. */
void wire_end(struct wire *w);

#endif
