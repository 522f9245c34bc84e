/*
 * ring.h - the last events of the log, in a file that many may read.
 *
 * A ring of records, each a packet of the log stream with some keys by which it
 * is found: a queue ID, an address, a client. What is newest overwrites what is
 * oldest. One process adds; others map the same file and look, at any time and
 * without a word between them: nobody who looks can hold up who adds.
 *
 * THE FILE is a head, an index and the ring. A position counts bytes since the
 * ring was made and is never used twice; what is `size` bytes behind the end is
 * gone. The index is a table of positions: of the newest record with a key of
 * that hash. A record has, with each of its keys, the position of the one
 * before it. So adding is a copy and a word for each key, and nothing is ever
 * taken out of the index: a position that is gone ends the chain.
 *
 * WHAT A CRASH LEAVES. A process that dies takes nothing along: the pages are
 * the kernel's. Of a machine that dies some pages may be old: each record has
 * its position and a checksum, so that what is not whole ends a chain instead of
 * being shown. To a reader the file is foreign: it is bounded by what was mapped.
 */
#ifndef TRACE_RING_H
#define TRACE_RING_H

#include "base/log.h"
#include "base/why.h"

enum {
	TRACE_VERSION = 1,
	TRACE_KEYS_MAX = 16, /* of one record */
	TRACE_SIZE_LEAST = 1 << 20, /* bytes of records */
};

struct trace_ring;

/*
 * Opens the ring at `path` to add to it; one of another size, or that is
 * damaged, is replaced by an empty one. Room on the disk is taken at once.
 * Returns NULL with `why`, also if another process adds to it. Blocks.
 */
struct trace_ring *trace_ring_make(const char *path, uint64_t size,
    struct why *why);

/* Opens it to look. Returns NULL with `why`. Blocks. */
struct trace_ring *trace_ring_open(const char *path, struct why *why);

/* NULL is fine. Returns NULL. */
struct trace_ring *trace_ring_close(struct trace_ring *r);

/*
 * Adds a packet of this time (wall clock, microseconds) under its keys, whose
 * letters may be in any case. One that is too long, or has no keys, is left out.
 */
void trace_ring_add(struct trace_ring *r, int64_t time, struct span packet,
    const struct span *keys, size_t n);

/* A way through the records of a key, newest first. */
struct trace_cursor {
	uint64_t hash;
	uint64_t at; /* the record to look at next; 0: none */
	int64_t since; /* what is some seconds older ends the way */
	int64_t until; /* what is newer is passed by */
};

void trace_ring_find(const struct trace_ring *r, struct span key, int64_t since,
    int64_t until, struct trace_cursor *cursor_r);

struct trace_record {
	uint64_t at; /* its position: later ones are higher */
	int64_t time;
	struct span packet; /* in the caller's bytes */
};

/*
 * Copies the next record into `bytes`. False: there is none left. By chance a
 * record may come that only has the key's hash: who looks compares.
 */
MUST_USE bool trace_ring_next(const struct trace_ring *r,
    struct trace_cursor *cursor, char bytes[LOG_PACKET_MAX],
    struct trace_record *record_r);

#endif
