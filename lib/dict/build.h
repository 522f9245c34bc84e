/*
 * build.h - making a table: a new file beside the old, and then in its place.
 *
 * Who looks up in the old one goes on doing so until it asks dict_changed().
 * The new file has the mode of the old, and its owner if we may give it away.
 * All keys are in memory until dict_build_commit() writes them at once, in the
 * order that the file wants; so a table that is changed is made anew, too.
 */
#ifndef DICT_BUILD_H
#define DICT_BUILD_H

#include "dict/dict.h"

struct dict_build;

/* Whether tables of this type can be made: btree, cdb, hash, lmdb. */
bool dict_can_build(struct span type);

enum {
	DICT_BUILD_REPLACE = 1
	    << 0, /* of a key that comes twice the last counts */
	DICT_BUILD_CHANGE = 1 << 1, /* begins with what is in the old table */
	DICT_BUILD_NUL = 1 << 2, /* a NUL stands behind keys and values ... */
	DICT_BUILD_NO_NUL = 1 << 3, /* ... or not; else as Postfix has it */
};

/*
 * Begins "lmdb:/path/name". If there is no old file, the new one gets `mode`,
 * and the owner of the file it is made from. To change a table waits for others
 * that do. Returns NULL with `why`. Blocks.
 */
struct dict_build *dict_build_begin(const char *type_and_name, uint32_t mode,
    unsigned flags, struct why *why);

/* The file that is being made: "/path/name.lmdb". */
const char *dict_build_file(const struct dict_build *b);

enum dict_build_result {
	DICT_BUILD_ADDED,
	DICT_BUILD_TWICE, /* the key is there: the first value stays */
	DICT_BUILD_FAILED, /* with `why`; only dict_build_abort() is left */
};

/* Adds a key, as it is: who calls folds. */
MUST_USE enum dict_build_result dict_build_add(struct dict_build *b,
    struct span key, struct span value, struct why *why);

/* Takes a key away. Returns whether it was there. */
bool dict_build_remove(struct dict_build *b, struct span key);

/* Puts it in place, on stable storage. Ends it also if it fails. Blocks. */
MUST_USE int dict_build_commit(struct dict_build *b, struct why *why);

/* Takes it all back. NULL is fine. Blocks. */
void dict_build_abort(struct dict_build *b);

/*
 * Calls `fn` for each key of a table that can be built, or of a texthash, in its
 * order. Blocks.
 */
typedef void dict_each_fn(struct span key, struct span value, void *arg);
MUST_USE int dict_each(const char *type_and_name, dict_each_fn *fn, void *arg,
    struct why *why);

#endif
