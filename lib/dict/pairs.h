/*
 * pairs.h - the keys and values of a table in the making, all in memory; private
 * to lib/dict.
 *
 * A key is there once. In their order: as they came, until they are sorted.
 */
#ifndef DICT_PAIRS_H
#define DICT_PAIRS_H

#include "base/defs.h"
#include "base/span.h"

struct pair {
	uint32_t hash; /* of the key: bdb_hash() from 0 on */
	uint32_t key_n, value_n;
	char bytes[]; /* the key, the value */
};

struct pairs {
	struct pair **v;
	size_t n, max;
	size_t size; /* bytes of keys and values */
	uint64_t *slot; /* of a hash and a place in ->v, plus 1; 0: free */
	size_t slots; /* a power of two */
	struct block *blocks;
};

enum {
	PAIRS_BYTES_MAX = 2000 << 20, /* of all keys and values */
};

void pairs_init(struct pairs *p);
void pairs_fini(struct pairs *p);

enum pairs_result {
	PAIRS_ADDED,
	PAIRS_TWICE, /* it was there, and keeps its value unless `replace` */
	PAIRS_FULL,
};

MUST_USE enum pairs_result pairs_add(struct pairs *p, struct span key,
    struct span value, bool replace);

/* Whether it was there. What comes behind it stays in its order. */
bool pairs_remove(struct pairs *p, struct span key);

/* By keys as bytes; nothing can be added any more. */
void pairs_sort(struct pairs *p);
void pairs_sort_some(struct pair **v, size_t n);

static inline struct span
pair_key(const struct pair *p)
{
	return (struct span){ p->bytes, p->key_n };
}

static inline struct span
pair_value(const struct pair *p)
{
	return (struct span){ p->bytes + p->key_n, p->value_n };
}

#endif
