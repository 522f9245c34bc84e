/*
 * index.h - what a user's mailboxes are, so that nobody has to read their
 * folders. Private to lib/store.
 *
 * An LMDB environment in "postrider-index" beside the INBOX. It is a CACHE BY
 * LAW: never synced, of one boot only, and begun anew when anything about it is
 * strange: another version or boot, a checksum that does not fit, an error of
 * the library, or a process that ended while it had it open (a damaged file can
 * kill its reader). So any function may fail, and then the caller goes without,
 * or reads the folders again.
 *
 * Handles are shared by all of a process. Several processes of one owner may
 * have an index open; that another began it anew is noticed with each
 * transaction. A transaction ends in the function that began it.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "base/arena.h"
#include "base/span.h"
#include "store/names.h"
#include "store/rows.h"
#include "store/uidfile.h"

enum {
	INDEX_TOMBS_MAX = 10000, /* expunged messages remembered a mailbox */
	INDEX_SLOTS = 256, /* processes that have it open at a time */
};

/* The record of a mailbox. */
struct index_header {
	uint64_t sum;
	uint32_t id; /* part of the keys of all that is its own */
	uint32_t uidvalidity;
	uint32_t uidnext; /* above all UIDs that the index has seen */
	uint32_t messages;
	uint32_t unseen;
	uint32_t deleted;
	uint32_t in_new;
	uint32_t first_recent; /* no session has seen it, nor any above */
	uint32_t tombs;
	uint64_t modseq;
	uint64_t size;
	uint64_t rows_sum; /* of all chunks */
	int64_t
	    new_time; /* when the folders were last changed, as far as the */
	int64_t cur_time; /* index knows; 0: it does not know */
	uint64_t tomb_floor; /* expunges up to this MODSEQ may be forgotten */
};

struct index;

struct index_txn {
	struct index *index;
	void *txn;
	bool write;
	bool bad; /* it cannot go on: all is undone at the end */
	int failed; /* -errno of why; 0: the index is damaged, and begun anew */
};

/*
 * The index beside the INBOX whose folder is `folder`. With `make` it is made;
 * without, -ENOENT if there is none. Returns 0 or -errno.
 */
MUST_USE int index_open(int folder, const char *boot, bool make,
    struct index **index_r);

/* Gives it back; NULL is fine, and is returned. */
struct index *index_close(struct index *ix);

/* Closes the files of those that were not asked for `ms`; how many. Blocks. */
size_t index_rest_all(int64_t ms);

/* Returns 0 or -errno: nothing to end then. */
MUST_USE int index_begin(struct index *ix, bool write, struct index_txn *t_r);

/*
 * Ends it; a writing one takes effect if `keep`. Returns 0, or -errno: it took
 * none, or what was read is not to be trusted.
 */
MUST_USE int index_end(struct index_txn *t, bool keep);

/* -ENOENT if the mailbox has no record, or a damaged one. */
MUST_USE int index_get_header(struct index_txn *t, struct span name,
    struct index_header *h_r);
void index_put_header(struct index_txn *t, struct span name,
    struct index_header *h);

/* An ID that no mailbox has or had. */
uint32_t index_new_id(struct index_txn *t);

/* Forgets a mailbox and all that is its own; or gives it another name. */
void index_forget(struct index_txn *t, struct span name);
void index_rename(struct index_txn *t, struct span from, struct span to);

/*
 * All rows to `rows`, which has room for ->messages. -EBADMSG if they do not
 * agree with the header.
 */
MUST_USE int index_rows(struct index_txn *t, const struct index_header *h,
    struct mbox_message *rows);

/* One chunk, empty if it is not there; the counts in `h` follow a put. */
void index_get_chunk(struct index_txn *t, const struct index_header *h,
    uint32_t number, struct chunk *c_r);
void index_put_chunk(struct index_txn *t, struct index_header *h,
    struct chunk *c);

/* A single row, by its chunk. */
MUST_USE bool index_get_row(struct index_txn *t, const struct index_header *h,
    uint32_t uid, struct mbox_message *row_r);
void index_put_row(struct index_txn *t, struct index_header *h,
    const struct mbox_message *row);

/* Removes the row and all that is the message's, and leaves a tombstone. */
void index_remove_row(struct index_txn *t, struct index_header *h,
    uint32_t uid);

/* The name of a message's file. False: not known. */
MUST_USE bool index_get_name(struct index_txn *t, uint32_t id, uint32_t uid,
    char name_r[NAME_SIZE]);
void index_put_name(struct index_txn *t, uint32_t id, uint32_t uid,
    const char *name);

/* What sessions keep of messages; `kind` is a letter. */
MUST_USE int index_get_cache(struct index_txn *t, uint32_t id, uint32_t uid,
    char kind, struct arena *arena, struct span *bytes_r);
void index_put_cache(struct index_txn *t, uint32_t id, uint32_t uid, char kind,
    struct span bytes);

/* A MODSEQ for a change: above all before, and at least the time. */
uint64_t index_next_modseq(struct index_header *h);

#endif
