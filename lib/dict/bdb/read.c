#include "dict/bdb/read.h"

#include "dict/bdb/page.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int
damaged(const struct bdb *b, uint32_t page, const char *what, struct why *why)
{
	return why_set(why, EIO, NULL, 0, "%s: page %u is damaged: %s", b->path,
	    page, what);
}

static int
read_page(const struct bdb *b, uint32_t n, unsigned char *page, struct why *why)
{
	ssize_t got;

	if (n == 0 || n > b->last)
		return damaged(b, n, "there is no such page", why);
	do
		got = pread(b->fd, page, b->page_size,
		    (off_t)n * (off_t)b->page_size);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return why_set(why, errno, NULL, 0, "%s: %s", b->path,
		    strerror(errno));
	if ((size_t)got < b->page_size)
		return damaged(b, n, "the file ends before it", why);
	return 0;
}

static bool
is_zero(const unsigned char *page, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (page[i])
			return false;
	return true;
}

int
bdb_turn(struct bdb *b, uint32_t n, struct why *why)
{
	int error = read_page(b, n, b->page, why);

	if (error)
		return error;
	b->is_void = is_zero(b->page, b->page_size);
	if (b->is_void)
		return 0;
	if (bdb_get32(b->page, BDB_AT_PGNO) != n)
		return damaged(b, n, "it has the number of another", why);
	if (BDB_HEADER + 2u * bdb_get16(b->page, BDB_AT_ENTRIES) > b->page_size)
		return damaged(b, n, "more entries than can be", why);
	return 0;
}

/* The bytes of a large entry are on pages of their own. */
int
bdb_read_large(struct bdb *b, const unsigned char *entry, struct span *s_r,
    struct why *why)
{
	uint32_t page = bdb_get32(entry, 4);
	size_t size = bdb_get32(entry, 8);
	size_t n = 0;
	int error;

	if (size > BDB_VALUE_MAX)
		return damaged(b, page, "a value is too long", why);
	free(b->large);
	b->large = malloc(size + 1);
	if (!b->large)
		return why_set(why, ENOMEM, NULL, 0, "%s: no memory", b->path);
	while (n < size) {
		size_t more;

		error = read_page(b, page, b->extra, why);
		if (error)
			return error;
		more = bdb_get16(b->extra, BDB_AT_DATA);
		if (b->extra[BDB_AT_TYPE] != BDB_OVERFLOW || more == 0 ||
		    more > b->page_size - BDB_HEADER || more > size - n)
			return damaged(b, page, "no part of a value", why);
		memcpy(b->large + n, b->extra + BDB_HEADER, more);
		n += more;
		page = bdb_get32(b->extra, BDB_AT_NEXT);
	}
	*s_r = (struct span){ b->large, size };
	return 0;
}

int
bdb_damaged(const struct bdb *b, const unsigned char *page, struct why *why)
{
	return damaged(b, bdb_get32(page, BDB_AT_PGNO), "an entry is not in it",
	    why);
}

int
bdb_tell(struct bdb *b, bdb_entry_fn *get, size_t i, dict_each_fn *fn,
    void *arg, struct why *why)
{
	struct span key, value;
	char *kept = NULL;
	int error = get(b, i, &key, why);

	/* Both may be large, and there is room for one. */
	if (!error && key.p == b->large) {
		kept = b->large;
		b->large = NULL;
	}
	if (!error)
		error = get(b, i + 1, &value, why);
	if (!error)
		fn(key, value, arg);
	free(kept);
	return error;
}

static int
refuse(const struct bdb *b, const char *what, struct why *why)
{
	return why_set(why, EINVAL, NULL, 0, "%s: %s", b->path, what);
}

static bool
is_power(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int
check_meta(struct bdb *b, const unsigned char *m, struct why *why)
{
	uint32_t magic = bdb_get32(m, BDB_AT_MAGIC);
	uint32_t version = bdb_get32(m, BDB_AT_VERSION);
	bool is_hash = b->type == BDB_HASH;

	if (magic == bswap_32(BDB_HASH_MAGIC) ||
	    magic == bswap_32(BDB_TREE_MAGIC))
		return refuse(b, "made by a machine of the other byte order",
		    why);
	if (magic == (is_hash ? BDB_TREE_MAGIC : BDB_HASH_MAGIC))
		return refuse(b,
		    is_hash ? "this is a btree table, not a hash table"
			    : "this is a hash table, not a btree table",
		    why);
	if (magic != (is_hash ? BDB_HASH_MAGIC : BDB_TREE_MAGIC))
		return refuse(b, "this is no table of Berkeley DB", why);
	if (version < 8 || version > 10)
		return refuse(b,
		    "its format is too old or too new; make it "
		    "anew by postmap",
		    why);
	if (m[BDB_AT_ENCRYPTION] || m[BDB_AT_FLAGS] ||
	    m[BDB_AT_TYPE] != (is_hash ? BDB_HASH_META : BDB_TREE_META))
		return refuse(b,
		    "encrypted, in parts or with checksums; make "
		    "it anew by postmap",
		    why);
	b->page_size = bdb_get32(m, BDB_AT_PAGE_SIZE);
	if (!is_power(b->page_size) || b->page_size < BDB_PAGE_MIN ||
	    b->page_size > BDB_PAGE_MAX)
		return refuse(b, "the meta page is damaged", why);
	b->last = bdb_get32(m, BDB_AT_LAST);
	return 0;
}

static int
take_meta(struct bdb *b, const unsigned char *m, struct why *why)
{
	int error = check_meta(b, m, why);

	if (error)
		return error;
	if (b->type == BDB_TREE) {
		b->root = bdb_get32(m, BDB_AT_ROOT);
		return 0;
	}
	b->bucket_max = bdb_get32(m, BDB_AT_BUCKET);
	b->high = bdb_get32(m, BDB_AT_HIGH);
	b->low = bdb_get32(m, BDB_AT_LOW);
	for (size_t i = 0; i < BDB_SPARES; i++)
		b->spares[i] = bdb_get32(m, BDB_AT_SPARES + 4 * i);
	if (bdb_get32(m, BDB_AT_CHARKEY) != bdb_hash(0, BDB_CHARKEY))
		return refuse(b,
		    "its keys are hashed in another way; make it "
		    "anew by postmap",
		    why);
	if (b->bucket_max > b->high || b->low > b->bucket_max ||
	    b->bucket_max > b->last)
		return refuse(b, "the meta page is damaged", why);
	return 0;
}

static int
load(struct bdb *b, struct stat *st_r, struct why *why)
{
	unsigned char meta[BDB_META_SIZE] = { 0 };
	ssize_t n;
	int error;

	b->fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (b->fd < 0 || fstat(b->fd, st_r) < 0)
		return why_set(why, errno, NULL, 0, "%s: %s", b->path,
		    strerror(errno));
	if (!S_ISREG(st_r->st_mode))
		return refuse(b, "not a regular file", why);
	n = pread(b->fd, meta, sizeof(meta), 0);
	if (n < 0)
		return why_set(why, errno, NULL, 0, "%s: %s", b->path,
		    strerror(errno));
	error = take_meta(b, meta, why);
	if (error)
		return error;
	if (((off_t)b->last + 1) * (off_t)b->page_size > st_r->st_size)
		return refuse(b, "it was cut off, or is being made", why);
	b->page = zalloc(b->page_size);
	b->extra = zalloc(b->page_size);
	return 0;
}

struct bdb *
bdb_open(enum bdb_type type, const char *path, struct stat *st_r,
    struct why *why)
{
	struct bdb *b = zalloc(sizeof(*b));

	b->type = type;
	b->fd = -1;
	b->path = strdup(path);
	if (!b->path)
		die("no memory");
	return load(b, st_r, why) == 0 ? b : bdb_close(b);
}

struct bdb *
bdb_close(struct bdb *b)
{
	if (!b)
		return NULL;
	if (b->fd >= 0)
		close(b->fd);
	free(b->path);
	free(b->page);
	free(b->extra);
	free(b->large);
	free(b);
	return NULL;
}

enum dict_result
bdb_find(struct bdb *b, struct span key, struct span *value_r, struct why *why)
{
	return b->type == BDB_HASH ? bdb_hash_find(b, key, value_r, why)
				   : bdb_tree_find(b, key, value_r, why);
}

int
bdb_each(struct bdb *b, dict_each_fn *fn, void *arg, struct why *why)
{
	return b->type == BDB_HASH ? bdb_hash_each(b, fn, arg, why)
				   : bdb_tree_each(b, fn, arg, why);
}
