/*
 * lmdb: a file NAME.lmdb that postmap made, ours or Postfix's, mapped and only
 * read. Keys and values have a NUL behind them, which is Postfix's way; a file
 * without is read too.
 */
#include "dict/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lmdb.h>

enum {
	LMDB_MAP_MIN = 16 << 20,
	LMDB_PATH_MAX = 2048,
};

struct lmdb {
	struct dict dict;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static enum dict_result
fail(const char *name, int error, struct why *why)
{
	(void)why_set(why, EIO, NULL, 0, "lmdb:%s: %s", name,
	    mdb_strerror(error));
	return DICT_TEMPFAIL;
}

/* As it is stored: with a NUL, or without one. */
static int
find(struct lmdb *l, struct span key, size_t nul, MDB_val *value_r)
{
	char z[DICT_KEY_MAX / 4];
	MDB_val k = { key.n + nul, z };

	/* mdb_env_get_maxkeysize() is 511. */
	if (k.mv_size > sizeof(z))
		return MDB_NOTFOUND;
	memcpy(z, key.p, key.n);
	if (nul)
		z[key.n] = '\0';

	int error = mdb_get(l->txn, l->dbi, &k, value_r);

	return error == MDB_BAD_VALSIZE ? MDB_NOTFOUND : error;
}

/* A reader without locks sees a file that is never written in place. */
static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct lmdb *l = container_of(d, struct lmdb, dict);
	MDB_val value;
	int error = mdb_txn_renew(l->txn);

	if (error)
		return fail(d->name + 5, error, why);
	error = find(l, key, 1, &value);
	if (error == MDB_NOTFOUND)
		error = find(l, key, 0, &value);

	enum dict_result result = DICT_ABSENT;

	if (error == 0) {
		struct span s = { value.mv_data, value.mv_size };

		if (s.n > 0 && s.p[s.n - 1] == '\0')
			s.n--;
		result = dict_give(s, arena, value_r, why);
	} else if (error != MDB_NOTFOUND) {
		result = fail(d->name + 5, error, why);
	}
	mdb_txn_reset(l->txn);
	return result;
}

static void
close_it(struct dict *d)
{
	struct lmdb *l = container_of(d, struct lmdb, dict);

	if (l->txn)
		mdb_txn_abort(l->txn);
	if (l->env)
		mdb_env_close(l->env);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

static int
open_env(struct lmdb *l, const char *path, off_t size)
{
	size_t map = LMDB_MAP_MIN;
	int error = mdb_env_create(&l->env);

	while (map < (size_t)size)
		map *= 2;
	if (!error)
		error = mdb_env_set_mapsize(l->env, map);
	if (!error)
		error = mdb_env_open(l->env, path,
		    MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0644);
	if (!error)
		error = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn);
	if (!error)
		error = mdb_dbi_open(l->txn, NULL, 0, &l->dbi);
	if (!error)
		mdb_txn_reset(l->txn);
	return error;
}

struct dict *
lmdb_open(const char *name, unsigned flags, struct why *why)
{
	char path[LMDB_PATH_MAX];
	struct stat st;
	int error;

	snprintf(path, sizeof(path), "%s.lmdb", name);
	if (stat(path, &st) < 0) {
		(void)why_set(why, errno, NULL, 0,
		    "%s: %s; it is made by: postmap lmdb:%s", path,
		    strerror(errno), name);
		return NULL;
	}

	struct lmdb *l = zalloc(sizeof(*l));

	dict_init(&l->dict, &ops, "lmdb", name, flags);
	dict_watch(&l->dict, path, &st);
	error = open_env(l, path, st.st_size);
	if (error) {
		(void)fail(name, error, why);
		dict_close(&l->dict);
		return NULL;
	}
	return &l->dict;
}
