/*
 * structure.h - ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501, 7.4.2).
 *
 * Made from what mime.h found. They are well-formed whatever that is: a
 * multipart that has no parts shows an empty text, what was not taken apart is
 * application/octet-stream, and an address without a domain gets a word for it,
 * since NIL would make it a group.
 */
#ifndef IMAPD_FORMAT_STRUCTURE_H
#define IMAPD_FORMAT_STRUCTURE_H

#include "imapd/format/out.h"
#include "mail/mime.h"

enum {
	/* Room for the addresses of one field. */
	STRUCTURE_SCRATCH = 2 * MIME_FIELD_MAX + 128,
};

/* "(date subject from ...)"; `scratch` has STRUCTURE_SCRATCH bytes. */
void out_envelope(struct out *o, const struct mime_envelope *e, char *scratch);

/* "(...)" of the part: BODY, or BODYSTRUCTURE with `extended`. */
void out_structure(struct out *o, const struct mime_part *part, bool extended,
    char *scratch);

#endif
