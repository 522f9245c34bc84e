/*
 * kinds.h - the tables that are made: what their files are called, who writes and
 * who walks through them; private to lib/dict.
 */
#ifndef DICT_KINDS_H
#define DICT_KINDS_H

#include "dict/pairs.h"
#include "dict/private.h"

enum {
	KINDS_PATH_MAX = 2048,
};

struct kind {
	const char *type;
	const char *suffix;
	bool nul; /* whether Postfix has a NUL behind keys and values */
	size_t key_max; /* bytes with any NUL; 0: no bound */
	/* Fills the empty file `path`. 0 or -errno with `why`. */
	int (*write)(const char *path, struct pairs *p, bool nul,
	    struct why *why);
	/* As dict_each(), with any NUL behind keys and values. */
	int (*each)(const char *path, dict_each_fn *fn, void *arg,
	    struct why *why);
	struct dict *(*open)(const char *type, const char *name,
	    const char *path, unsigned flags, struct why *why);
};

extern const struct kind btree_kind, cdb_kind, hash_kind, lmdb_kind;

/* What stands for this type: berkeley_db_type has its say. NULL: there is none. */
const struct kind *kinds_find(struct span type);

/* Without the NUL behind it, if there is one. */
static inline struct span
kinds_without_nul(struct span s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\0')
		s.n--;
	return s;
}

/*
 * Whether a key is asked for as it stands, with a NUL behind it, or both: once one
 * was found, the others are like it.
 */
struct kinds_nul {
	bool never, always;
	char key[DICT_KEY_MAX + 1]; /* with its NUL */
};

/* Looks `key` up by `find`, with a NUL and without. */
typedef enum dict_result kinds_find_fn(void *table, struct span key,
    struct span *value_r, struct why *why);
MUST_USE enum dict_result kinds_get(kinds_find_fn *find, void *table,
    struct kinds_nul *nul, struct span key, struct span *value_r,
    struct why *why);

#endif
