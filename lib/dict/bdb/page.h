/*
 * page.h - what the readers of a hash and of a tree share; private to
 * lib/dict/bdb.
 */
#ifndef DICT_BDB_PAGE_H
#define DICT_BDB_PAGE_H

#include "dict/bdb/format.h"
#include "dict/bdb/read.h"

enum {
	BDB_VALUE_MAX = 64 << 20,
};

struct bdb {
	enum bdb_type type;
	int fd;
	char *path;
	uint32_t page_size;
	uint32_t last; /* page */
	uint32_t root; /* of a tree */
	uint32_t bucket_max, high, low; /* of a hash */
	uint32_t spares[BDB_SPARES];
	unsigned char *page; /* that is looked at */
	bool is_void;
	unsigned char *extra; /* a part of a large entry */
	char *large; /* such an entry, whole */
};

/*
 * Makes ->page page `n`, with ->is_void if it is one that was never used. Its
 * number is right, and there is room for as many entries as it says. 0 or -errno.
 */
MUST_USE int bdb_turn(struct bdb *b, uint32_t n, struct why *why);

/* The bytes of a large entry, good until the next one is read. 0 or -errno. */
MUST_USE int bdb_read_large(struct bdb *b, const unsigned char *entry,
    struct span *s_r, struct why *why);

/* Says that an entry of this page is not in it. */
int bdb_damaged(const struct bdb *b, const unsigned char *page,
    struct why *why);

/* Tells `fn` of entry `i`, a key, and the value behind it. 0 or -errno. */
typedef int bdb_entry_fn(struct bdb *b, size_t i, struct span *s_r,
    struct why *why);
MUST_USE int bdb_tell(struct bdb *b, bdb_entry_fn *get, size_t i,
    dict_each_fn *fn, void *arg, struct why *why);

MUST_USE enum dict_result bdb_hash_find(struct bdb *b, struct span key,
    struct span *value_r, struct why *why);
MUST_USE enum dict_result bdb_tree_find(struct bdb *b, struct span key,
    struct span *value_r, struct why *why);
MUST_USE int bdb_hash_each(struct bdb *b, dict_each_fn *fn, void *arg,
    struct why *why);
MUST_USE int bdb_tree_each(struct bdb *b, dict_each_fn *fn, void *arg,
    struct why *why);

#endif
