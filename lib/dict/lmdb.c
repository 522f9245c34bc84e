/*
 * lmdb: a file NAME.lmdb that postmap made, ours or Postfix's, mapped and only
 * read. Keys and values have a NUL behind them, which is Postfix's way; a file
 * without is read too.
 */
#include "dict/kinds.h"

#include <errno.h>
#include <stdlib.h>

#include <lmdb.h>

enum {
	LMDB_KEY_MAX = 511, /* mdb_env_get_maxkeysize() */
	BATCH = 4000, /* pairs of a transaction */
	AHEAD = 8, /* pairs that are got from the memory ahead */
};

/* At least, and as large as a file can get; only what is used is on the disk. */
static const size_t map_min = (size_t)16 << 20;
static const size_t map_max = (size_t)64 << 30;

/* An open file, for all that is done with one. */
struct env {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

struct lmdb {
	struct dict dict;
	struct env env;
	struct kinds_nul nul;
};

static int
refuse(const char *path, int error, struct why *why)
{
	return why_set(why, error > 0 ? error : EIO, NULL, 0, "%s: %s", path,
	    mdb_strerror(error));
}

static int
open_env(struct env *e, const char *path, size_t map, unsigned flags)
{
	unsigned txn_flags = flags & MDB_RDONLY;
	int error = mdb_env_create(&e->env);

	if (!error)
		error = mdb_env_set_mapsize(e->env, map);
	if (!error)
		error = mdb_env_open(e->env, path,
		    flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (!error)
		error = mdb_txn_begin(e->env, NULL, txn_flags, &e->txn);
	if (!error)
		error = mdb_dbi_open(e->txn, NULL, 0, &e->dbi);
	return error;
}

static void
close_env(struct env *e)
{
	if (e->txn)
		mdb_txn_abort(e->txn);
	if (e->env)
		mdb_env_close(e->env);
}

static struct span
span_of(const MDB_val *v)
{
	return (struct span){ v->mv_data, v->mv_size };
}

static enum dict_result
find(void *table, struct span key, struct span *value_r, struct why *why)
{
	struct lmdb *l = table;
	MDB_val k = { key.n, (void *)(uintptr_t)key.p };
	MDB_val value;
	int error = mdb_get(l->env.txn, l->env.dbi, &k, &value);

	/* A key that is too long for it is in none. */
	if (error == MDB_NOTFOUND || error == MDB_BAD_VALSIZE)
		return DICT_ABSENT;
	if (error) {
		(void)refuse(l->dict.name, error, why);
		return DICT_TEMPFAIL;
	}
	*value_r = span_of(&value);
	return DICT_FOUND;
}

/* A reader without locks sees a file that is never written in place. */
static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct lmdb *l = container_of(d, struct lmdb, dict);
	struct span value;
	enum dict_result result;
	int error = mdb_txn_renew(l->env.txn);

	if (error) {
		(void)refuse(d->name, error, why);
		return DICT_TEMPFAIL;
	}
	result = kinds_get(find, l, &l->nul, key, &value, why);
	if (result == DICT_FOUND)
		result = dict_give(value, arena, value_r, why);
	mdb_txn_reset(l->env.txn);
	return result;
}

static void
close_it(struct dict *d)
{
	close_env(&container_of(d, struct lmdb, dict)->env);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

static struct dict *
open_it(const char *type, const char *name, const char *path, unsigned flags,
    struct why *why)
{
	struct lmdb *l = zalloc(sizeof(*l));
	size_t map = map_min;
	struct stat st;
	int error;

	dict_init(&l->dict, &ops, type, name, flags);
	error = stat(path, &st) < 0 ? errno : 0;
	while (!error && map < (size_t)st.st_size)
		map *= 2;
	if (!error) {
		dict_watch(&l->dict, path, &st);
		error = open_env(&l->env, path, map, MDB_RDONLY);
	}
	if (error) {
		(void)refuse(path, error, why);
		dict_close(&l->dict);
		return NULL;
	}
	mdb_txn_reset(l->env.txn);
	return &l->dict;
}

static int
walk(struct env *e, dict_each_fn *fn, void *arg)
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int error = mdb_cursor_open(e->txn, e->dbi, &cursor);

	if (error)
		return error;
	while ((error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		fn(span_of(&key), span_of(&value), arg);
	mdb_cursor_close(cursor);
	return error == MDB_NOTFOUND ? 0 : error;
}

static int
each(const char *path, dict_each_fn *fn, void *arg, struct why *why)
{
	struct env e = { 0 };
	int error = open_env(&e, path, map_max, MDB_RDONLY);

	if (!error)
		error = walk(&e, fn, arg);
	close_env(&e);
	return error ? refuse(path, error, why) : 0;
}

/* `room` has room for it and a NUL. */
static MDB_val
as_stored(struct span s, bool nul, char *room)
{
	if (!nul)
		return (MDB_val){ s.n, (void *)(uintptr_t)s.p };
	memcpy(room, s.p, s.n);
	room[s.n] = '\0';
	return (MDB_val){ s.n + 1, room };
}

/* In the order of the keys, so that each page is filled and never split. */
static int
put_some(struct env *e, struct pair **v, size_t n, bool nul, char *room)
{
	MDB_cursor *cursor;
	int error = mdb_cursor_open(e->txn, e->dbi, &cursor);

	for (size_t i = 0; i < n && !error; i++) {
		MDB_val key = as_stored(pair_key(v[i]), nul, room);
		MDB_val value = as_stored(pair_value(v[i]), nul,
		    room + LMDB_KEY_MAX + 1);

		if (i + AHEAD < n)
			PREFETCH(v[i + AHEAD]);
		error = mdb_cursor_put(cursor, &key, &value, MDB_APPEND);
	}
	return error; /* the transaction's end is the cursor's */
}

/* A transaction keeps its pages in a list, in which short is fast. */
static int
put_all(struct env *e, struct pairs *p, bool nul)
{
	size_t longest = 0;
	char *room;
	int error = 0;

	for (size_t i = 0; i < p->n; i++)
		if (longest < p->v[i]->value_n)
			longest = p->v[i]->value_n;
	room = zalloc(LMDB_KEY_MAX + 1 + longest + 1);
	for (size_t i = 0; i < p->n && !error; i += BATCH) {
		size_t n = p->n - i < BATCH ? p->n - i : BATCH;

		error = put_some(e, p->v + i, n, nul, room);
		if (!error)
			error = mdb_txn_commit(e->txn);
		e->txn = NULL;
		if (!error)
			error = mdb_txn_begin(e->env, NULL, 0, &e->txn);
	}
	free(room);
	return error;
}

static int
write_it(const char *path, struct pairs *p, bool nul, struct why *why)
{
	struct env e = { 0 };
	int error = open_env(&e, path, map_max, MDB_NOSYNC);

	pairs_sort(p);
	if (!error)
		error = put_all(&e, p, nul);
	if (!error) {
		error = mdb_txn_commit(e.txn);
		e.txn = NULL;
	}
	if (!error)
		error = mdb_env_sync(e.env, 1);
	close_env(&e);
	return error ? refuse(path, error, why) : 0;
}

const struct kind lmdb_kind = {
	.type = "lmdb",
	.suffix = ".lmdb",
	.nul = true,
	.key_max = LMDB_KEY_MAX,
	.write = write_it,
	.each = each,
	.open = open_it,
};
