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

enum {
	SECTION_MARK_DEPTH = 8, /* of BODY[1.2.3...] */
};

struct section_range {
	struct mime_place from;
	struct mime_place to;
};

/* False: there is no such part, and the answer is NIL. */
MUST_USE bool section_find(struct mime_part *root,
    const struct imap_fetch *item, struct section_range *range_r);

/*
 * How far a partial fetch has come, for the next one of the same section: clients
 * have a large message come in many pieces, and to count to each from the
 * beginning would read it as often as there are pieces.
 */
struct section_mark {
	uint32_t uid; /* 0: nothing is known */
	enum imap_section section;
	uint32_t numbers[SECTION_MARK_DEPTH];
	size_t numbers_n;
	uint64_t from, to; /* the section, in the file */
	uint64_t wire; /* and how long it is on the wire, unless it is all */
	uint64_t at; /* in the file: up to here */
	uint64_t size; /* it has so many bytes on the wire, */
	bool cr; /* of which the last is a CR */
};

/* Whether a section is one to have a mark. */
bool section_is_marked(const struct imap_fetch *item);

/* Whether `mark` is of this section of this message. */
bool section_has_mark(const struct section_mark *mark, uint32_t uid,
    const struct imap_fetch *item);

/* Begins a mark, at the beginning of the section. */
void section_begin_mark(struct section_mark *mark, uint32_t uid,
    const struct imap_fetch *item, uint64_t from, uint64_t to, uint64_t wire);

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

/* The same, but what is fed comes after `mark`. */
void wire_resume(struct wire *w, struct out *out, const struct imap_fetch *item,
    const struct section_mark *mark);

/* Takes a piece of the range, of any size. */
void wire_feed(struct wire *w, struct span piece);

/* The range is over: what was held back goes out. */
void wire_end(struct wire *w);

#endif
