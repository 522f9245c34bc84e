/*
 * memory.h - a table that is all in memory; private to lib/dict.
 */
#ifndef DICT_MEMORY_H
#define DICT_MEMORY_H

#include "base/arena.h"
#include "base/hash.h"
#include "dict/private.h"

struct memory {
	struct arena *arena;
	struct hash keys;
};

void memory_init(struct memory *m);
void memory_fini(struct memory *m);

enum memory_result {
	MEMORY_ADDED,
	MEMORY_TWICE, /* the key is there already, and keeps its value */
	MEMORY_FULL,
};

/* Adds copies of both, the key lower-cased. */
MUST_USE enum memory_result memory_add(struct memory *m, struct span key,
    struct span value);
/* The same, but of a key that is there the value is replaced. */
MUST_USE enum memory_result memory_set(struct memory *m, struct span key,
    struct span value);
MUST_USE bool memory_find(const struct memory *m, struct span key,
    struct span *value_r);

/*
 * A type that is no more than that: its dict_open() makes one, fills it, and
 * gives out ->dict. dict_close() frees it.
 */
struct memory_dict {
	struct dict dict;
	struct memory memory;
};

struct memory_dict *memory_dict_new(const char *type, const char *name,
    unsigned flags);

#endif
