/*
 * hash: and btree: files NAME.db of Berkeley DB that postmap made, ours or
 * Postfix's.
 */
#include "dict/bdb/read.h"
#include "dict/bdb/write.h"
#include "dict/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct berkeley {
	struct dict dict;
	struct bdb *bdb;
	struct kinds_nul nul;
};

static enum dict_result
find(void *table, struct span key, struct span *value_r, struct why *why)
{
	return bdb_find(table, key, value_r, why);
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct berkeley *b = container_of(d, struct berkeley, dict);
	struct span value;
	enum dict_result result = kinds_get(find, b->bdb, &b->nul, key, &value,
	    why);

	return result == DICT_FOUND ? dict_give(value, arena, value_r, why)
				    : result;
}

static void
close_it(struct dict *d)
{
	bdb_close(container_of(d, struct berkeley, dict)->bdb);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

static struct dict *
open_as(enum bdb_type as, const char *type, const char *name, const char *path,
    unsigned flags, struct why *why)
{
	struct berkeley *b;
	struct stat st;
	struct bdb *bdb = bdb_open(as, path, &st, why);

	if (!bdb)
		return NULL;
	b = zalloc(sizeof(*b));
	b->bdb = bdb;
	dict_init(&b->dict, &ops, type, name, flags);
	dict_watch(&b->dict, path, &st);
	return &b->dict;
}

static struct dict *
open_hash(const char *type, const char *name, const char *path, unsigned flags,
    struct why *why)
{
	return open_as(BDB_HASH, type, name, path, flags, why);
}

static struct dict *
open_tree(const char *type, const char *name, const char *path, unsigned flags,
    struct why *why)
{
	return open_as(BDB_TREE, type, name, path, flags, why);
}

static int
write_as(int (*write_it)(int fd, struct pairs *p, bool nul), const char *path,
    struct pairs *p, bool nul, struct why *why)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int error = fd < 0 ? errno : write_it(fd, p, nul);

	if (!error && fsync(fd) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error
	    ? why_set(why, error, NULL, 0, "%s: %s", path, strerror(error))
	    : 0;
}

static int
write_hash(const char *path, struct pairs *p, bool nul, struct why *why)
{
	return write_as(bdb_write_hash, path, p, nul, why);
}

static int
write_tree(const char *path, struct pairs *p, bool nul, struct why *why)
{
	return write_as(bdb_write_tree, path, p, nul, why);
}

static int
each_as(enum bdb_type as, const char *path, dict_each_fn *fn, void *arg,
    struct why *why)
{
	struct stat st;
	struct bdb *b = bdb_open(as, path, &st, why);
	int error = b ? bdb_each(b, fn, arg, why) : -EINVAL;

	bdb_close(b);
	return error;
}

static int
each_hash(const char *path, dict_each_fn *fn, void *arg, struct why *why)
{
	return each_as(BDB_HASH, path, fn, arg, why);
}

static int
each_tree(const char *path, dict_each_fn *fn, void *arg, struct why *why)
{
	return each_as(BDB_TREE, path, fn, arg, why);
}

const struct kind hash_kind = {
	.type = "hash",
	.suffix = ".db",
	.nul = true,
	.write = write_hash,
	.each = each_hash,
	.open = open_hash,
};
const struct kind btree_kind = {
	.type = "btree",
	.suffix = ".db",
	.nul = true,
	.write = write_tree,
	.each = each_tree,
	.open = open_tree,
};
