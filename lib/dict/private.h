/*
 * private.h - what a type of table is made of; private to lib/dict.
 *
 * A type embeds struct dict as its first member, fills in the row of functions
 * and calls dict_init() when all is well. dict.c owns the rest: folding, the
 * watched file, the name.
 */
#ifndef DICT_PRIVATE_H
#define DICT_PRIVATE_H

#include "dict/build.h"

#include <sys/stat.h>

struct dict_ops {
	/* As dict_get(); the key is folded already. */
	enum dict_result (*get)(struct dict *d, struct span key,
	    struct arena *arena, struct span *value_r, struct why *why);
	/* Frees what hangs on it, not itself. */
	void (*close)(struct dict *d);
	/* As dict_changed() and dict_each_file(); NULL: by ->file. */
	bool (*changed)(const struct dict *d);
	void (*each_file)(const struct dict *d,
	    void (*fn)(const char *file, void *arg), void *arg);
	/* As dict_server(); NULL: it asks none. */
	const void *(*server)(struct dict *d);
	bool quick;
	bool pattern; /* and takes keys as they are */
	bool raw_key; /* takes keys as they are */
	bool any_key; /* also the empty one */
};

struct dict {
	const struct dict_ops *ops;
	char *name; /* "type:name" */
	char *file; /* or NULL */
	struct stat st; /* of the file when it was opened */
	unsigned flags;
	bool slow; /* this one is not quick, whatever its type */
	bool is_pattern; /* it is one, whatever its type */
	bool shared; /* as dict_is_shared() */
	bool remote; /* to be asked of another process, where one is set */
	size_t parameter; /* as that knows it */
	size_t element;
};

/* Fills in a zeroed *d; `file` is the file to be watched, or NULL. */
void dict_init(struct dict *d, const struct dict_ops *ops, const char *type,
    const char *name, unsigned flags);
void dict_watch(struct dict *d, const char *file, const struct stat *st);

/* Tells dict_on_open()'s function of a file. */
void dict_tell_file(const char *file, const struct stat *st);

/*
 * What dict_use_conf() said, or NULL; between the two no other thread has it, as a
 * struct conf has one reader.
 */
const struct conf *dict_conf_take(void);
void dict_conf_give(void);

/* Gives out a copy of a value, or says why not. */
MUST_USE enum dict_result dict_give(struct span value, struct arena *arena,
    struct span *value_r, struct why *why);

/* dict_each() of a texthash file. */
MUST_USE int texthash_each(const char *file, dict_each_fn *fn, void *arg,
    struct why *why);

struct dict *btree_open(const char *name, unsigned flags, struct why *why);
struct dict *cdb_open(const char *name, unsigned flags, struct why *why);
struct dict *cidr_open(const char *name, unsigned flags, struct why *why);
struct dict *debug_open(const char *name, unsigned flags, struct why *why);
struct dict *environ_open(const char *name, unsigned flags, struct why *why);
struct dict *fail_open(const char *name, unsigned flags, struct why *why);
struct dict *hash_open(const char *name, unsigned flags, struct why *why);
struct dict *inline_open(const char *name, unsigned flags, struct why *why);
struct dict *internal_open(const char *name, unsigned flags, struct why *why);
struct dict *ldap_open(const char *name, unsigned flags, struct why *why);
struct dict *lmdb_open(const char *name, unsigned flags, struct why *why);
struct dict *memcache_open(const char *name, unsigned flags, struct why *why);
struct dict *mysql_open(const char *name, unsigned flags, struct why *why);
struct dict *pcre_open(const char *name, unsigned flags, struct why *why);
struct dict *pipemap_open(const char *name, unsigned flags, struct why *why);
struct dict *pgsql_open(const char *name, unsigned flags, struct why *why);
struct dict *proxy_open(const char *name, unsigned flags, struct why *why);
struct dict *randmap_open(const char *name, unsigned flags, struct why *why);
struct dict *regexp_open(const char *name, unsigned flags, struct why *why);
struct dict *socketmap_open(const char *name, unsigned flags, struct why *why);
struct dict *sqlite_open(const char *name, unsigned flags, struct why *why);
struct dict *static_open(const char *name, unsigned flags, struct why *why);
struct dict *tcp_open(const char *name, unsigned flags, struct why *why);
struct dict *texthash_open(const char *name, unsigned flags, struct why *why);
struct dict *unionmap_open(const char *name, unsigned flags, struct why *why);
struct dict *unix_open(const char *name, unsigned flags, struct why *why);

#endif
