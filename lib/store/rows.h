/*
 * rows.h - messages as the index keeps them. Private to lib/store.
 *
 * A row of 32 bytes a message; rows of 64 UIDs make a chunk, one value of the
 * index, with a checksum of its own. Numbers are as this machine has them: the
 * index is a cache, and never leaves it. Plain, all of it.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "base/defs.h"
#include "base/span.h"
#include "store/store.h"

/* In ->size of a row: its file is still in new/. */
#define ROW_IN_NEW (UINT64_C(1) << 63)

enum {
	CHUNK_ROWS = 64, /* the UIDs n * 64 to n * 64 + 63 */
};

struct chunk {
	uint64_t sum;
	uint32_t number;
	uint32_t n;
	struct mbox_message rows[CHUNK_ROWS];
};

enum {
	CHUNK_HEAD = offsetof(struct chunk, rows),
};

static inline uint32_t
chunk_of(uint32_t uid)
{
	return uid / CHUNK_ROWS;
}

static inline size_t
chunk_size(const struct chunk *c)
{
	return CHUNK_HEAD + c->n * sizeof(c->rows[0]);
}

/* A checksum against accidents, of bytes that nobody chose. Fast. */
uint64_t row_sum(uint64_t seed, const void *p, size_t n);

/* The sum that a chunk of the mailbox `id` should have. */
uint64_t chunk_sum(const struct chunk *c, uint32_t id);

/*
 * Reads the value of the chunk `number` of mailbox `id`: whole, with its sum,
 * with rows in order and where they belong. False: it is damaged.
 */
MUST_USE bool chunk_read(struct span value, uint32_t id, uint32_t number,
    struct chunk *c_r);

/* The same checks without a copy; *rows_r points into the value. */
MUST_USE bool chunk_look(struct span value, uint32_t id, uint32_t number,
    struct span *rows_r, uint64_t *sum_r);

/* The row of that UID, or NULL. */
struct mbox_message *chunk_find(struct chunk *c, uint32_t uid);

/* Puts a row in, in the place of one with its UID. */
void chunk_put(struct chunk *c, const struct mbox_message *row);

void chunk_remove(struct chunk *c, uint32_t uid);

#endif
