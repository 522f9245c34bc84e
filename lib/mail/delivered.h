/*
 * delivered.h - whether a mail has been at an address before, as a Delivered-To: in
 * its head says: so what goes round ends where it comes by a second time.
 */
#ifndef MAIL_DELIVERED_H
#define MAIL_DELIVERED_H

#include "base/defs.h"
#include "base/span.h"

enum {
	DELIVERED_HEAD_MAX = 512 << 10, /* bytes in which it is looked for */
};

/*
 * Reads the head of the `length` bytes at `offset` of `fd` into `storage`, of
 * DELIVERED_HEAD_MAX bytes. Returns 1 or 0; -EBADMSG if the file ends before, or
 * -errno. Blocks.
 */
MUST_USE int delivered_find(int fd, uint64_t offset, uint64_t length,
    struct span addr, char *storage);

#endif
