/*
 * cdb: a constant database, as D. J. Bernstein's "cdb: structure" tells, in a file
 * NAME.cdb. Numbers have four bytes, the least first.
 *
 *	256 times	where a table is, and how many slots it has
 *	each record	length of key, of value, key, value
 *	256 tables	each slot: a hash and where the record is, or 0 0
 *
 * The table of a hash is hash % 256, and where it is looked for first is slot
 * hash / 256 % slots. The file is read, not mapped, and nothing in it is trusted.
 */
#include "dict/kinds.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	TABLES = 256,
	HEAD = TABLES * 8,
	VALUE_MAX = 64 << 20,
	WRITE_SIZE = 1 << 18,
};

struct cdb {
	struct dict dict;
	int fd;
	char path[KINDS_PATH_MAX];
	struct kinds_nul nul;
	char *found; /* key and value of the record that was read last */
};

static uint32_t
hash_of_key(struct span key)
{
	uint32_t h = 5381;

	for (size_t i = 0; i < key.n; i++)
		h = (h * 33) ^ (unsigned char)key.p[i];
	return h;
}

static int
read_at(const struct cdb *c, void *to, size_t n, uint32_t at, struct why *why)
{
	ssize_t got;

	do
		got = pread(c->fd, to, n, at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return why_set(why, errno, NULL, 0, "%s: %s", c->path,
		    strerror(errno));
	if ((size_t)got < n)
		return why_set(why, EIO, NULL, 0,
		    "%s: damaged: it ends before byte %zu", c->path, at + n);
	return 0;
}

static int
read_two(const struct cdb *c, uint32_t at, uint32_t two_r[2], struct why *why)
{
	int error = read_at(c, two_r, 2 * sizeof(*two_r), at, why);

	two_r[0] = le32toh(two_r[0]);
	two_r[1] = le32toh(two_r[1]);
	return error;
}

/* Makes ->found key and value of the record, whose lengths are `size`. */
static int
read_record(struct cdb *c, uint32_t at, uint32_t size[2], struct why *why)
{
	int error = read_two(c, at, size, why);

	if (error)
		return error;
	if (size[0] > VALUE_MAX || size[1] > VALUE_MAX)
		return why_set(why, EIO, NULL, 0,
		    "%s: damaged: a record of %u and %u bytes", c->path,
		    size[0], size[1]);
	free(c->found);
	c->found = malloc((size_t)size[0] + size[1] + 1);
	if (!c->found)
		return why_set(why, ENOMEM, NULL, 0, "%s: no memory", c->path);
	return read_at(c, c->found, (size_t)size[0] + size[1], at + 8, why);
}

/* 1: it is the record. */
static int
is_record(struct cdb *c, uint32_t at, struct span key, struct span *value_r,
    struct why *why)
{
	uint32_t size[2];
	int error = read_two(c, at, size, why);

	if (error || size[0] != key.n)
		return error;
	error = read_record(c, at, size, why);
	if (error || memcmp(c->found, key.p, key.n) != 0)
		return error;
	*value_r = (struct span){ c->found + size[0], size[1] };
	return 1;
}

static enum dict_result
find(void *table, struct span key, struct span *value_r, struct why *why)
{
	struct cdb *c = table;
	uint32_t hash = hash_of_key(key);
	uint32_t where[2], slot[2];

	if (read_two(c, hash % TABLES * 8, where, why) < 0)
		return DICT_TEMPFAIL;
	for (uint32_t i = 0; i < where[1]; i++) {
		uint32_t at = (uint32_t)(((uint64_t)(hash / TABLES) + i) %
		    where[1]);
		int found;

		if (read_two(c, where[0] + at * 8, slot, why) < 0)
			return DICT_TEMPFAIL;
		if (slot[1] == 0)
			break;
		if (slot[0] != hash)
			continue;
		found = is_record(c, slot[1], key, value_r, why);
		if (found != 0)
			return found > 0 ? DICT_FOUND : DICT_TEMPFAIL;
	}
	return DICT_ABSENT;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct cdb *c = container_of(d, struct cdb, dict);
	struct span value;
	enum dict_result result = kinds_get(find, c, &c->nul, key, &value, why);

	return result == DICT_FOUND ? dict_give(value, arena, value_r, why)
				    : result;
}

static void
release(struct cdb *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->found);
}

static void
close_it(struct dict *d)
{
	release(container_of(d, struct cdb, dict));
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

/* All there is to be known of a file is that its tables are in it. */
static int
load(struct cdb *c, const char *path, struct stat *st_r, struct why *why)
{
	uint32_t head[TABLES * 2];
	int error;

	snprintf(c->path, sizeof(c->path), "%s", path);
	c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (c->fd < 0 || fstat(c->fd, st_r) < 0)
		return why_set(why, errno, NULL, 0, "%s: %s", path,
		    strerror(errno));
	if (!S_ISREG(st_r->st_mode))
		return why_set(why, EINVAL, NULL, 0, "%s: not a regular file",
		    path);
	error = read_at(c, head, sizeof(head), 0, why);
	for (size_t i = 0; i < TABLES && !error; i++)
		if (le32toh(head[2 * i]) +
			(uint64_t)8 * le32toh(head[2 * i + 1]) >
		    (uint64_t)st_r->st_size)
			error = why_set(why, EIO, NULL, 0,
			    "%s: this is no cdb, or it was cut off", path);
	return error;
}

static struct dict *
open_it(const char *type, const char *name, const char *path, unsigned flags,
    struct why *why)
{
	struct cdb *c = zalloc(sizeof(*c));
	struct stat st;

	if (load(c, path, &st, why) < 0) {
		release(c);
		free(c);
		return NULL;
	}
	dict_init(&c->dict, &ops, type, name, flags);
	dict_watch(&c->dict, path, &st);
	return &c->dict;
}

static int
walk(struct cdb *c, dict_each_fn *fn, void *arg, struct why *why)
{
	uint32_t end, size[2];
	uint64_t at = HEAD;
	int error = read_at(c, &end, sizeof(end), 0, why);

	/* Records end where the first table begins. */
	end = error ? 0 : le32toh(end);
	while (!error && at < end) {
		error = read_record(c, (uint32_t)at, size, why);
		if (!error)
			fn((struct span){ c->found, size[0] },
			    (struct span){ c->found + size[0], size[1] }, arg);
		at += 8 + (uint64_t)size[0] + size[1];
	}
	return error;
}

static int
each(const char *path, dict_each_fn *fn, void *arg, struct why *why)
{
	struct cdb *c = zalloc(sizeof(*c));
	struct stat st;
	int error = load(c, path, &st, why);

	if (!error)
		error = walk(c, fn, arg, why);
	release(c);
	free(c);
	return error;
}

struct slot {
	uint32_t hash, at;
};

static void
put_two(FILE *f, uint32_t a, uint32_t b)
{
	uint32_t two[2] = { htole32(a), htole32(b) };

	fwrite_unlocked(two, sizeof(two), 1, f);
}

/* Writes a record; returns how long it is. */
static uint64_t
put_record(FILE *f, const struct pair *p, bool nul)
{
	put_two(f, p->key_n + nul, p->value_n + nul);
	fwrite_unlocked(p->bytes, 1, p->key_n, f);
	if (nul)
		putc_unlocked('\0', f);
	fwrite_unlocked(p->bytes + p->key_n, 1, p->value_n, f);
	if (nul)
		putc_unlocked('\0', f);
	return 8 + (uint64_t)p->key_n + p->value_n + 2u * nul;
}

/* The table of those of `all` that are in it. */
static void
put_table(FILE *f, const struct slot *all, size_t n)
{
	struct slot *table = zalloc((2 * n + 1) * sizeof(*table));

	for (size_t i = 0; i < n; i++) {
		size_t at = all[i].hash / TABLES % (2 * n);

		while (table[at].at)
			at = (at + 1) % (2 * n);
		table[at] = all[i];
	}
	for (size_t i = 0; i < 2 * n; i++)
		put_two(f, table[i].hash, table[i].at);
	free(table);
}

/* The slots by tables, as start[t] tells where those of table t begin. */
static struct slot *
sort_slots(const struct slot *from, size_t n, size_t *start)
{
	struct slot *to = zalloc((n + 1) * sizeof(*to));
	size_t next[TABLES];

	for (size_t i = 0; i < n; i++)
		start[from[i].hash % TABLES + 1]++;
	for (size_t t = 0; t < TABLES; t++)
		start[t + 1] += start[t];
	memcpy(next, start, sizeof(next));
	for (size_t i = 0; i < n; i++)
		to[next[from[i].hash % TABLES]++] = from[i];
	return to;
}

/* Tables, and where they are to the beginning. */
static void
put_tables(FILE *f, const struct slot *slots, size_t n, uint64_t at)
{
	size_t *start = zalloc((TABLES + 1) * sizeof(*start));
	struct slot *sorted = sort_slots(slots, n, start);

	for (size_t t = 0; t < TABLES; t++)
		put_table(f, sorted + start[t], start[t + 1] - start[t]);
	free(sorted);
	rewind(f);
	for (size_t t = 0; t < TABLES; t++) {
		size_t size = 2 * (start[t + 1] - start[t]);

		put_two(f, (uint32_t)at, (uint32_t)size);
		at += 8 * size;
	}
	free(start);
}

/* 0 or an errno. */
static int
put_all(FILE *f, const struct pairs *p, bool nul)
{
	struct slot *slots = zalloc((p->n + 1) * sizeof(*slots));
	uint64_t at = HEAD;
	static const char none[HEAD];

	fwrite_unlocked(none, sizeof(none), 1, f);
	for (size_t i = 0; i < p->n && at <= UINT32_MAX; i++) {
		uint32_t hash = hash_of_key(pair_key(p->v[i]));

		/* The hash of a key with a NUL behind it. */
		slots[i] = (struct slot){ nul ? hash * 33 : hash,
			(uint32_t)at };
		at += put_record(f, p->v[i], nul);
	}
	if (at + (uint64_t)16 * p->n <= UINT32_MAX)
		put_tables(f, slots, p->n, at);
	free(slots);
	if (at + (uint64_t)16 * p->n > UINT32_MAX)
		return EFBIG; /* positions have four bytes */
	if (fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0)
		return errno ? errno : EIO;
	return 0;
}

static int
write_it(const char *path, struct pairs *p, bool nul, struct why *why)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int error = f ? 0 : errno;

	if (f) {
		char *room = zalloc(WRITE_SIZE);

		setvbuf(f, room, _IOFBF, WRITE_SIZE);
		error = put_all(f, p, nul);
		fclose(f);
		free(room);
	}
	return error
	    ? why_set(why, error, NULL, 0, "%s: %s", path, strerror(error))
	    : 0;
}

const struct kind cdb_kind = {
	.type = "cdb",
	.suffix = ".cdb",
	.write = write_it,
	.each = each,
	.open = open_it,
};
