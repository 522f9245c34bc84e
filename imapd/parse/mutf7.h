/*
 * mutf7.h - the names of mailboxes: modified UTF-7 and UTF-8 (RFC 3501, 5.1.3).
 *
 * Strict both ways, so that there is one way only to write a name: base64 only
 * for what is not printable ASCII, no two shifts in a row, no bits left over, no
 * surrogate without its other half.
 */
#ifndef IMAPD_PARSE_MUTF7_H
#define IMAPD_PARSE_MUTF7_H

#include "base/buf.h"

/* Whether `name` is well-formed. */
bool mutf7_is_valid(struct span name);

/* Appends as UTF-8; at most three times as long. False: not well-formed. */
MUST_USE bool mutf7_decode(struct span name, struct buf *out);

/*
 * Appends UTF-8 as modified UTF-7; at most five times as long. False: `text` is
 * no UTF-8, or has a NUL.
 */
MUST_USE bool mutf7_encode(struct span text, struct buf *out);

#endif
