/*
 * deliver.h - a message comes to lie in mailboxes of one owner.
 *
 * The caller is the owner already. Content is read from a descriptor that
 * others may read too (pread only), checked against its checksum before it
 * becomes visible, and written with lines as they are (LF). Order and durability
 * (DESIGN 6.4): write to tmp/, take the UID and rename into new/ under the
 * mailbox's lock, then one fsync of the file, which commits data and name. Only
 * then is it STORE_OK. Targets whose head is the same share one file by links.
 *
 * A mailbox is a path below the root that ends in '/'; a leading '/' means
 * nothing. An mbox, which has no '/' at its end, is told to be none of ours.
 * Folders are opened below the root without following links (openat2), and made
 * with mode 0700 if they are not there.
 */
#ifndef STORE_DELIVER_H
#define STORE_DELIVER_H

#include "base/arena.h"
#include "base/span.h"
#include "base/why.h"
#include "store/result.h"

struct store_content {
	int fd;
	uint64_t offset;
	uint64_t length;
	uint32_t checksum; /* CRC-32 of the content */
};

struct store_target {
	struct span mailbox; /* below the root: "demo.test/alice/" */
	struct span head; /* lines before the content: "Return-Path: ...\n" */

	/* What came of it. */
	enum store_result result;
	uint32_t uidvalidity;
	uint32_t uid; /* 0: none was given */
	int error; /* the errno behind it, or 0 */
	struct why why; /* unless STORE_OK */
};

struct store;

/*
 * The mail of one owner below `root`, an absolute path. Reads the boot's ID from
 * /proc, which a sandbox has to allow. NULL with `why`.
 */
struct store *store_open(const char *root, struct why *why);
struct store *store_close(struct store *s);

/*
 * Delivers to `n` targets; each gets its own result. Many threads may call it
 * on one store. Blocks.
 */
void store_deliver(struct store *s, const struct store_content *c,
    struct store_target *targets, size_t n);

#endif
