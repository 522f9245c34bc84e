/*
 * batch.h - some messages of a FETCH, read in one go. Private to imapd/mailbox.
 *
 * batch_fill() takes as many messages as there is room for, and reads what is
 * asked of each: what is kept of it, and only if that is not enough its file, of
 * that only the head if the head is enough. Short files are held whole; a long
 * one ends the batch, stays open, and is read again in pieces as it is sent. So
 * a batch of hundreds is one offload, and none holds more than its room.
 *
 * SIZES of sections are counted before anything is sent. If the file is another
 * one by then, what comes may be shorter, and who sends has to see that.
 */
#ifndef IMAPD_MAILBOX_BATCH_H
#define IMAPD_MAILBOX_BATCH_H

#include "imapd/format/section.h"
#include "store/store.h"

enum {
	BATCH_ROWS = 256,
	BATCH_PIECE = 64 << 10, /* a longer file is not held */
	BATCH_CONTENT = 4 * BATCH_PIECE,
	BATCH_TEXTS = 3 * STORE_CACHE_MAX, /* ENVELOPEs and the like */
};

/* Whether these are asked for. */
enum batch_want {
	BATCH_ENVELOPE = 1 << 0,
	BATCH_STRUCTURE = 1 << 1, /* BODY or BODYSTRUCTURE */
	BATCH_SEEN = 1 << 2, /* \Seen is to be set */
};

/* A section of a message: a range of its file. */
struct batch_part {
	bool absent; /* NIL */
	struct section_mark mark; /* ->uid 0: none */
	uint64_t from, to; /* up to where nothing more was asked for */
	uint64_t size; /* on the wire, of what was asked for */
};

struct batch_row {
	uint32_t seq;
	uint32_t uid;
	bool gone;
	bool seen; /* \Seen was set by this */
	struct span envelope;
	struct span body;
	struct span structure;
	const struct mime_part *root; /* instead, if these are too long */
	struct batch_part *parts; /* one for each of ->sections */
	struct span content; /* from the beginning of the file */
	bool is_open; /* instead, if it is too long: the last of a batch */
};

struct batch {
	struct mbox *mbox;
	unsigned wants;
	const struct imap_fetch *sections; /* as FETCH_SECTION */
	size_t sections_n;
	const struct section_mark *mark; /* of the session's last */

	struct batch_row *rows;
	size_t n;
	enum store_result result; /* not OK: that is all that can be had */
	bool synced; /* \Seen was set, and ->changes are to be told before */
	struct mbox_changes changes;
	char *scratch; /* for a row's ->root: STRUCTURE_SCRATCH */

	/* Private from here on. */
	struct arena *texts;
	struct arena *tree;
	size_t rows_max;
	struct mbox_cached *kept; /* to be kept by the store */
	size_t kept_n;
	struct buf text;
	char *content;
	size_t content_n;
	size_t content_max;
	int fd;
};

/* For so many messages; `sections` and `mark` outlive it. Never NULL. */
struct batch *batch_new(struct mbox *mbox, uint64_t messages, unsigned wants,
    const struct imap_fetch *sections, size_t n,
    const struct section_mark *mark);

/* NULL is fine, and is returned. Blocks, if a row's file is open. */
struct batch *batch_free(struct batch *b);

/* Whether a file is open. */
bool batch_is_open(const struct batch *b);

/*
 * Begins anew, with the messages `seqs` from `seq` on. Returns the number with
 * which to go on, 0 after the last. If \Seen was set the view is a new one,
 * in which all messages keep their numbers. Blocks.
 */
MUST_USE uint32_t batch_fill(struct batch *b, const struct uidset *seqs,
    uint32_t seq);

/*
 * A piece of the file of a row, from `at` on; empty: there is none. Good until
 * the next one. Blocks, if the row's file is open.
 */
struct span batch_piece(struct batch *b, const struct batch_row *row,
    uint64_t at);

static inline void
batch_freep(struct batch **b)
{
	batch_free(*b);
}

#endif
