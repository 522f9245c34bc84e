/*
 * change.h - a mailbox that is locked, and its index up to date. Private to
 * lib/store.
 *
 * All that changes a mailbox goes this way: change_begin() takes the lock, reads
 * the folders if anything foreign was done to them, and leaves a transaction
 * open; the caller changes files, and rows in the transaction; change_end() puts
 * the folders' times, commits and unlocks. A crash in between leaves folders whose
 * times are not those of the index: the next one reads them.
 *
 * THE TIME OF A FOLDER is set by us right after each change, to the nanosecond, so
 * that it is like no other, whatever the grain of the file system's own; and right
 * before the next one it has to be that still. If it is not, somebody else was
 * there, and the index says that it does not know: 0. So it does after many
 * changes, which would cost more than to read the folder once.
 */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "store/box.h"

enum change_flag {
	CHANGE_MOVE_NEW = 1 << 0, /* new/ goes to cur/ */
	CHANGE_SCAN = 1 << 1, /* whatever the times say */
};

enum {
	CHANGE_FEW = 256, /* files in the time in which nobody else comes by */
};

struct change {
	struct store *s;
	struct box *b;
	struct index_txn t;
	struct index_header h;
	struct uidfile uf;
	bool uf_changed; /* to be written, and with ->uf_sync synced, by */
	bool uf_sync; /* change_save_uid() before a UID is used */
	uint64_t modseq; /* of this change; 0: none yet */
	unsigned touched; /* files changed in new/ and cur/ */
};

/* Returns 0, -ESTALE, or -errno: nothing is locked then. */
MUST_USE int change_begin(struct store *s, struct box *b, unsigned flags,
    struct change *c_r);

/*
 * Ends it. Without `keep` the index forgets what was done, and the folders are
 * read again. Unlocks always.
 */
void change_end(struct change *c, bool keep);

/* The MODSEQ of this change. */
uint64_t change_modseq(struct change *c);

/* A file in new/ or cur/ will come or go; and it did. */
void change_before(struct change *c, bool in_new);
void change_after(struct change *c, bool in_new);

/* Renames a file, between the two. Returns 0 or -errno. */
MUST_USE int change_rename(struct change *c, bool from_new, const char *old,
    bool to_new, const char *new);

/* Takes a UID. It may be used when change_save_uid() has returned 0. */
uint32_t change_take_uid(struct change *c);
MUST_USE int change_save_uid(struct change *c);

/*
 * Renames the message of `row` so that its name has the flags `flags`, in cur/;
 * the row and the name are put. -ENOENT: the file is not where it was.
 */
MUST_USE int change_flags(struct change *c, struct mbox_message *row,
    uint32_t flags);

/*
 * The bits of keywords, by name; what is new gets a letter, and what gets none is
 * left out.
 */
MUST_USE int change_keywords(struct change *c, const struct span *names,
    size_t n, uint32_t *bits_r);

/*
 * A message comes from tmp/ to cur/, as `row` says, with a UID that was taken
 * and saved; `size` is the file's. The name of its file goes to `name_r`.
 */
MUST_USE int change_land(struct change *c, const char *tmp,
    const struct mbox_message *row, uint64_t size, char name_r[NAME_SIZE]);

/* Whether the index agrees with the folders, by their times alone. */
bool change_is_fresh(const struct box *b, const struct index_header *h);

/* When a folder was last changed, in nanoseconds. */
int64_t change_time(int folder);

/* Gives a folder a time that no clock's tick is; 0: cannot. */
int64_t change_set_time(struct store *s, struct box *b, int folder);

/* Reads the folders; in scan.c. `valid`: the index has this mailbox. */
MUST_USE int change_scan(struct change *c, bool valid, bool move_new);

#endif
