/*
 * encoded_word.h - text of header fields: =?charset?Q?...?= (RFC 2047).
 *
 * Decoded text is UTF-8, for SEARCH and for logs; what goes to clients stays as it
 * was written. Blanks between two encoded words go. What is not well-formed, or
 * of a charset that is not known, stays as it is.
 */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include "base/buf.h"

enum {
	ENCODED_WORD_MAX = 1024, /* RFC 2047 has 75; longer ones are text */
};

/*
 * Appends the text of an unfolded field. It is never more than three times as
 * long, and cut where `out` is full, with out->overflow.
 */
void encoded_words(struct span text, struct buf *out);

#endif
