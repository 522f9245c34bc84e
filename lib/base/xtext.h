/*
 * xtext.h - the encoding of ENVID and ORCPT (RFC 3461, section 4): a byte that is
 * not visible ASCII, and + and =, stand as + and two hexadecimal digits.
 */
#ifndef BASE_XTEXT_H
#define BASE_XTEXT_H

#include "base/buf.h"

/*
 * Undoes it into `out`. False: a + that two digits do not follow, or no room. Any
 * other byte stands for itself, as clients send more than they may.
 */
MUST_USE bool xtext_decode(struct span in, struct buf *out);

void xtext_put(struct buf *out, struct span in);

#endif
