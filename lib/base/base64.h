/*
 * base64.h - bytes as text and back (RFC 4648, section 4).
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

void base64_put(struct buf *out, struct span bytes);

/*
 * Appends what `text` stands for: all of it, with its padding, and nothing else.
 * False: it is no base64, or does not fit; `out` may have got a part of it.
 */
MUST_USE bool base64_take(struct span text, struct buf *out);

#endif
