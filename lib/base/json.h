/*
 * json.h - texts as JSON has them (RFC 8259).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/*
 * Puts `s` as a string, quotes and all. What is no UTF-8 becomes U+FFFD, as no
 * reader would take it. A byte needs six at most. Plain.
 */
void json_put(struct buf *out, struct span s);

/* How many bytes the first character has; 0: it is no UTF-8. Plain. */
size_t utf8_length(struct span s);

#endif
