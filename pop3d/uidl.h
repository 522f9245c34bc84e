/*
 * uidl.h - unique-ids as UIDL shows them (RFC 1939, section 7). Pure.
 *
 * A message has its UIDVALIDITY and UID for ever; how both become text is told
 * by a format, in which %v is the first and %u the second. Between the % and the
 * letter may stand what printf() has there: "0", a width up to 10, and "X" or
 * "x" for hexadecimal: "%08Xu%08Xv". So users who come from another server keep
 * what their programs have seen: Dovecot's word for it is pop3_uidl_format.
 */
#ifndef POP3D_UIDL_H
#define POP3D_UIDL_H

#include "base/buf.h"

enum {
	POP3_UIDL_MAX = 70, /* bytes, by RFC 1939 */
};

/*
 * Whether the format is one, has %u and %v, and gives 1 to POP3_UIDL_MAX
 * printable characters without blanks.
 */
MUST_USE bool pop3_uidl_check(const char *format);

/* Appends the id, by a format that was checked. */
void pop3_uidl_put(struct buf *out, const char *format, uint32_t uidvalidity,
    uint32_t uid);

#endif
