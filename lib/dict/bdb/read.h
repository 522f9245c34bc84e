/*
 * read.h - looking up in a file of Berkeley DB; private to lib/dict.
 *
 * Nothing in the file is trusted: each number is checked before it is used, each
 * chain has an end, and what is not as it should be is DICT_TEMPFAIL with the page.
 * The file is read, not mapped: one that is cut off under us is an answer too short,
 * not the end of the process.
 */
#ifndef DICT_BDB_READ_H
#define DICT_BDB_READ_H

#include "dict/private.h"

enum bdb_type {
	BDB_HASH,
	BDB_TREE,
};

struct bdb;

/* NULL with `why`; a file of the other type is refused. Blocks. */
struct bdb *bdb_open(enum bdb_type type, const char *path, struct stat *st_r,
    struct why *why);
struct bdb *bdb_close(struct bdb *b);

/*
 * Finds a key as it is stored. The value is good until the next call. Blocks, for
 * as long as a few pages of the system's cache take.
 */
MUST_USE enum dict_result bdb_find(struct bdb *b, struct span key,
    struct span *value_r, struct why *why);

/* Calls `fn` for all there is, in the file's order. Blocks. */
MUST_USE int bdb_each(struct bdb *b, dict_each_fn *fn, void *arg,
    struct why *why);

#endif
