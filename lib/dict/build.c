#include "dict/build.h"

#include "dict/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct span
type_of(const char *type_and_name, const char **name_r)
{
	const char *colon = strchr(type_and_name, ':');

	*name_r = colon ? colon + 1 : type_and_name;
	return (struct span){ type_and_name,
		colon ? (size_t)(colon - type_and_name) : 0 };
}

bool
dict_can_build(struct span type)
{
#ifdef HAVE_LMDB
	return span_eq(type, SPAN("lmdb"));
#else
	(void)type;
	return false;
#endif
}

static int
refuse(const char *type_and_name, struct why *why)
{
	return why_set(why, EINVAL, NULL, 0,
	    "%.200s: a table of this type cannot be made; allowed is lmdb:name",
	    type_and_name);
}

#ifdef HAVE_LMDB

#include <lmdb.h>

enum {
	PATH_SIZE = 2048,
	BATCH = 10000, /* rows of one transaction */
};

/* As large as a file can get; only what is used is on the disk. */
static const size_t map_size = (size_t)64 << 30;

struct dict_build {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	size_t rows; /* in the transaction */
	char path[PATH_SIZE];
	char temp[PATH_SIZE];
};

static int
fail(const struct dict_build *b, int error, struct why *why)
{
	return why_set(why, error > 0 ? error : EIO, NULL, 0, "%s: %s", b->path,
	    mdb_strerror(error));
}

static int
begin_txn(struct dict_build *b)
{
	b->rows = 0;
	return mdb_txn_begin(b->env, NULL, 0, &b->txn);
}

static int
open_env(struct dict_build *b)
{
	int error = mdb_env_create(&b->env);

	if (!error)
		error = mdb_env_set_mapsize(b->env, map_size);
	if (!error)
		error = mdb_env_open(b->env, b->temp,
		    MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
	if (!error)
		error = begin_txn(b);
	if (!error)
		error = mdb_dbi_open(b->txn, NULL, 0, &b->dbi);
	return error;
}

/* The mode and owner of the old file, or else of the source. */
static int
take_owner(struct dict_build *b, const char *source, uint32_t mode,
    struct why *why)
{
	struct stat old;
	bool is_old = stat(b->path, &old) == 0;
	bool has_owner = is_old || stat(source, &old) == 0;

	if (has_owner && geteuid() == 0 &&
	    chown(b->temp, old.st_uid, old.st_gid) < 0)
		return fail(b, errno, why);
	if (chmod(b->temp, is_old ? old.st_mode & 07777 : mode) < 0)
		return fail(b, errno, why);
	return 0;
}

struct dict_build *
dict_build_begin(const char *type_and_name, uint32_t mode, struct why *why)
{
	const char *name;
	struct dict_build *b;
	int error;

	if (!dict_can_build(type_of(type_and_name, &name))) {
		(void)refuse(type_and_name, why);
		return NULL;
	}
	b = zalloc(sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s.lmdb", name);
	snprintf(b->temp, sizeof(b->temp), "%s.lmdb.new.%d", name,
	    (int)getpid());
	unlink(b->temp); /* of one that died, with our number */
	error = open_env(b);
	if (error)
		(void)fail(b, error, why);
	if (error || take_owner(b, name, mode, why) < 0) {
		dict_build_abort(b);
		return NULL;
	}
	return b;
}

static int
with_nul(struct span s, MDB_val *val_r)
{
	char *z = malloc(s.n + 1);

	if (!z)
		return ENOMEM;
	if (s.n)
		memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	*val_r = (MDB_val){ s.n + 1, z };
	return 0;
}

static int
put(struct dict_build *b, struct span key, struct span value)
{
	MDB_val k = { 0, NULL };
	MDB_val v = { 0, NULL };
	void *ours = NULL;
	int error = with_nul(key, &k);

	if (!error)
		error = with_nul(value, &v);
	ours = v.mv_data;
	if (!error)
		error = mdb_put(b->txn, b->dbi, &k, &v, MDB_NOOVERWRITE);
	free(k.mv_data);
	free(ours); /* for a key that is there, `v` is now its old value */
	return error;
}

static int
end_batch(struct dict_build *b)
{
	int error = mdb_txn_commit(b->txn);

	b->txn = NULL;
	return error ? error : begin_txn(b);
}

enum dict_build_result
dict_build_add(struct dict_build *b, struct span key, struct span value,
    struct why *why)
{
	int error = b->rows == BATCH ? end_batch(b) : 0;

	if (!error)
		error = put(b, key, value);
	if (error == MDB_KEYEXIST)
		return DICT_BUILD_TWICE;
	if (error == MDB_BAD_VALSIZE) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "%s: a key of %zu bytes; allowed are 510", b->path, key.n);
		return DICT_BUILD_FAILED;
	}
	if (error) {
		(void)fail(b, error, why);
		return DICT_BUILD_FAILED;
	}
	b->rows++;
	return DICT_BUILD_ADDED;
}

static void
end(struct dict_build *b)
{
	if (b->txn)
		mdb_txn_abort(b->txn);
	if (b->env)
		mdb_env_close(b->env);
	unlink(b->temp);
	free(b);
}

/* The name is on stable storage when its directory is. */
static int
sync_directory(const char *path)
{
	char dir[PATH_SIZE];
	char *slash;
	int error = 0;

	memcpy(dir, path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';

	int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (fsync(fd) < 0)
		error = errno;
	close(fd);
	return error;
}

int
dict_build_commit(struct dict_build *b, struct why *why)
{
	int error = mdb_txn_commit(b->txn);

	b->txn = NULL;
	if (!error)
		error = mdb_env_sync(b->env, 1);
	if (!error && rename(b->temp, b->path) < 0)
		error = errno;
	if (!error)
		error = sync_directory(b->path);
	if (error)
		error = fail(b, error, why);
	end(b);
	return error;
}

void
dict_build_abort(struct dict_build *b)
{
	if (b)
		end(b);
}

struct walk {
	MDB_env *env;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_dbi dbi;
};

static struct span
without_nul(const MDB_val *v)
{
	struct span s = { v->mv_data, v->mv_size };

	if (s.n > 0 && s.p[s.n - 1] == '\0')
		s.n--;
	return s;
}

static int
walk(struct walk *w, const char *path, dict_each_fn *fn, void *arg)
{
	MDB_val key;
	MDB_val value;
	int error = mdb_env_create(&w->env);

	if (!error)
		error = mdb_env_set_mapsize(w->env, map_size);
	if (!error)
		error = mdb_env_open(w->env, path,
		    MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0644);
	if (!error)
		error = mdb_txn_begin(w->env, NULL, MDB_RDONLY, &w->txn);
	if (!error)
		error = mdb_dbi_open(w->txn, NULL, 0, &w->dbi);
	if (!error)
		error = mdb_cursor_open(w->txn, w->dbi, &w->cursor);
	while (!error) {
		error = mdb_cursor_get(w->cursor, &key, &value, MDB_NEXT);
		if (!error)
			fn(without_nul(&key), without_nul(&value), arg);
	}
	return error == MDB_NOTFOUND ? 0 : error;
}

int
dict_each(const char *type_and_name, dict_each_fn *fn, void *arg,
    struct why *why)
{
	char path[PATH_SIZE];
	struct walk w = { 0 };
	const char *name;
	int error;

	if (span_eq(type_of(type_and_name, &name), SPAN("texthash")))
		return texthash_each(name, fn, arg, why);
	if (!dict_can_build(type_of(type_and_name, &name)))
		return refuse(type_and_name, why);
	snprintf(path, sizeof(path), "%s.lmdb", name);
	error = walk(&w, path, fn, arg);
	if (w.cursor)
		mdb_cursor_close(w.cursor);
	if (w.txn)
		mdb_txn_abort(w.txn);
	if (w.env)
		mdb_env_close(w.env);
	if (error)
		return why_set(why, error > 0 ? error : EIO, NULL, 0, "%s: %s",
		    path, mdb_strerror(error));
	return 0;
}

#else

struct dict_build *
dict_build_begin(const char *type_and_name, uint32_t mode, struct why *why)
{
	(void)mode;
	(void)type_of;
	(void)refuse(type_and_name, why);
	return NULL;
}

enum dict_build_result
dict_build_add(struct dict_build *b, struct span key, struct span value,
    struct why *why)
{
	(void)b;
	(void)key;
	(void)value;
	(void)why;
	return DICT_BUILD_FAILED;
}

int
dict_build_commit(struct dict_build *b, struct why *why)
{
	(void)b;
	return why_set(why, EINVAL, NULL, 0, "lmdb: not built");
}

void
dict_build_abort(struct dict_build *b)
{
	(void)b;
}

int
dict_each(const char *type_and_name, dict_each_fn *fn, void *arg,
    struct why *why)
{
	const char *name;

	if (span_eq(type_of(type_and_name, &name), SPAN("texthash")))
		return texthash_each(name, fn, arg, why);
	return refuse(type_and_name, why);
}

#endif
