/*
 * field_addrs.h - changes the addresses in a header field where they stand
 * (RFC 5322, section 3.4), and nothing else: names, comments, groups, blanks and
 * line ends stay byte by byte. Plain.
 */
#ifndef MAIL_FIELD_ADDRS_H
#define MAIL_FIELD_ADDRS_H

#include "base/buf.h"

/*
 * Appends what is to stand for an address, as it was written. False: it is to stay
 * as it is.
 */
typedef bool field_addrs_fn(struct span addr, struct buf *out, void *arg);

/* False: `out` is full. What is broken stays as it is. */
MUST_USE bool field_addrs(struct span value, field_addrs_fn *fn, void *arg,
    struct buf *out);

#endif
