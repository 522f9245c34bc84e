/*
 * pattern.h - which names of mailboxes a LIST or LSUB means (RFC 3501, 6.3.8).
 *
 * '*' stands for any bytes, '%' for any but '.', which separates levels. INBOX is
 * in any case of its letters. Plain.
 */
#ifndef IMAPD_MAILBOX_PATTERN_H
#define IMAPD_MAILBOX_PATTERN_H

#include "base/defs.h"
#include "base/span.h"

enum {
	PATTERN_NAME_MAX = 200, /* bytes of a name: STORE_NAME_MAX */
	PATTERN_MAX = 512, /* bytes: what is longer fits no name */
};

/* Takes time of at most the product of both lengths. */
MUST_USE bool pattern_fits(struct span pattern, struct span name);

#endif
