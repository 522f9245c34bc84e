/*
 * names.h - the name of a message's file. Private to lib/store.
 *
 *	UNIQUE[,FIELD]...[:2,LETTERS]
 *
 * Of the fields ",S=" is the file's size, ",W=" the size with CRLF, and
 * ",P<uidvalidity>.<uid>" ours; others stay where they are. The letters are
 * Maildir's DFPRST and a keyword each from a to z; others stay too.
 *
 * Names are in reach of the mailbox's owner: foreign. Plain, all of it.
 */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include "base/defs.h"
#include "base/span.h"

enum {
	NAME_SIZE = 256, /* with a NUL */
};

struct maildir_name {
	struct span stem; /* all before ':', borrowed */
	struct span info; /* behind it, "2,S" */
	bool has_size;
	bool has_wire;
	uint64_t size;
	uint64_t wire;
	uint32_t uidvalidity; /* 0 and 0: no such field */
	uint32_t uid;
	uint32_t flags;
};

/* Any name can be read. */
void maildir_name_read(struct span name, struct maildir_name *n_r);

/*
 * Writes the name with the values that are in `n` now, and with a ":2," unless
 * `plain`. False: it would be longer than a file system takes.
 */
MUST_USE bool maildir_name_put(char out[NAME_SIZE],
    const struct maildir_name *n, bool plain);

/*
 * How many bytes these are on the wire, where each LF without a CR before it gets
 * one. *last is the byte before them, and is set to their last.
 */
uint64_t maildir_wire_size(struct span bytes, char *last);

#endif
