/*
 * format.h - files of Berkeley DB, hash and btree, as its releases from 2 to 18
 * and Postfix's postmap write them; private to lib/dict.
 *
 * They are read and written here, and not by that library, for three reasons. It
 * trusts what it reads, and a damaged page ends the process; it makes files of its
 * own in the working directory and obeys a DB_CONFIG that lies there; and it is
 * leaving distributions, while the files stay.
 *
 * A file is a row of pages of one size. Page 0 is the meta page. Numbers have the
 * byte order of the machine that wrote it; ours is the one that is read.
 *
 *	meta page	where		what
 *			8		its number, 0
 *			12		magic: which of the two it is
 *			16		version of the format: 8 to 10 are read
 *			20		size of a page
 *			24		1 byte: 0, or how it is encrypted
 *			25		1 byte: type of the page
 *			26		1 byte: 1 has checksums; 2, 4 is in parts
 *			32		number of the last page
 *			40, 44		how many keys and records there are
 *			52		20 bytes that no other file has
 *	of hash		72, 76, 80	last bucket, and masks for a hash
 *			88, 92		how many keys; the hash of a known text
 *			96		32 numbers: bucket b is on page
 *					b + number[ceil(log2(b + 1))]
 *	of btree	76, 84		least keys of a page, pad byte: 2, a blank
 *			88		page of the root
 *
 *	other pages	8		its number
 *			12, 16		page before and behind it, or 0
 *			20		2 bytes: entries (overflow: 1)
 *			22		2 bytes: where its data begin (overflow: how
 *					many there are)
 *			24, 25		1 byte each: level of a tree, type
 *			26		2 bytes for each entry: where it is
 *
 * In a hash page entries are key, value, key, value ..., and an entry ends where
 * the one before it begins: a byte with its kind, then its bytes; or, if it is large,
 * 3 bytes for nothing, a page and a length.
 *
 * In a leaf of a tree they are the same, each with its length (2 bytes), kind and
 * bytes; or a large one as 2 bytes for nothing, kind, a byte for nothing, page and
 * length. Above the leaves an entry is length, kind, a byte for nothing, the page
 * below, 4 bytes for nothing, and the least key there is below, where that of the
 * first entry does not count. Both begin at multiples of 4.
 */
#ifndef DICT_BDB_FORMAT_H
#define DICT_BDB_FORMAT_H

#include "base/defs.h"
#include "base/span.h"

enum {
	BDB_META_SIZE = 512, /* what is used of page 0, at most */
	BDB_PAGE_MIN = 512,
	BDB_PAGE_MAX = 65536,
	BDB_PAGE = 4096, /* of files that we make */
	BDB_HEADER = 26,
	BDB_SPARES = 32,
	BDB_LEVELS_MAX = 16, /* of a tree: more than any has */

	BDB_HASH_MAGIC = 0x061561,
	BDB_TREE_MAGIC = 0x053162,
	BDB_HASH_VERSION = 9,
	BDB_TREE_VERSION = 9,

	/* Types of pages. */
	BDB_HASH_UNSORTED = 2,
	BDB_TREE_INNER = 3,
	BDB_TREE_LEAF = 5,
	BDB_OVERFLOW = 7,
	BDB_HASH_META = 8,
	BDB_TREE_META = 9,
	BDB_HASH_SORTED = 13,

	/* Kinds of entries: in a hash, in a tree. */
	BDB_HASH_BYTES = 1,
	BDB_HASH_LARGE = 3,
	BDB_TREE_BYTES = 1,
	BDB_TREE_LARGE = 3,
	BDB_LARGE_SIZE = 12, /* of either, when it is large */
	BDB_INNER_HEAD = 12,
	BDB_LEAF_HEAD = 3,

	/* Where things are, as told above. */
	BDB_AT_PGNO = 8,
	BDB_AT_MAGIC = 12,
	BDB_AT_PREV = 12,
	BDB_AT_VERSION = 16,
	BDB_AT_NEXT = 16,
	BDB_AT_PAGE_SIZE = 20,
	BDB_AT_ENTRIES = 20,
	BDB_AT_DATA = 22,
	BDB_AT_ENCRYPTION = 24,
	BDB_AT_LEVEL = 24,
	BDB_AT_TYPE = 25,
	BDB_AT_FLAGS = 26,
	BDB_AT_LAST = 32,
	BDB_AT_KEYS = 40,
	BDB_AT_RECORDS = 44,
	BDB_AT_UID = 52,
	BDB_AT_BUCKET = 72,
	BDB_AT_HIGH = 76,
	BDB_AT_LOW = 80,
	BDB_AT_NELEM = 88,
	BDB_AT_CHARKEY = 92,
	BDB_AT_SPARES = 96,
	BDB_AT_MINKEY = 76,
	BDB_AT_PAD = 84,
	BDB_AT_ROOT = 88,
};

static inline uint16_t
bdb_get16(const unsigned char *page, size_t at)
{
	uint16_t v;

	memcpy(&v, page + at, sizeof(v));
	return v;
}

static inline uint32_t
bdb_get32(const unsigned char *page, size_t at)
{
	uint32_t v;

	memcpy(&v, page + at, sizeof(v));
	return v;
}

static inline void
bdb_put16(unsigned char *page, size_t at, size_t value)
{
	uint16_t v = (uint16_t)value;

	memcpy(page + at, &v, sizeof(v));
}

static inline void
bdb_put32(unsigned char *page, size_t at, size_t value)
{
	uint32_t v = (uint32_t)value;

	memcpy(page + at, &v, sizeof(v));
}

/* Fowler, Noll and Vo's, from 0 on, which may go on from `hash`. */
static inline uint32_t
bdb_hash(uint32_t hash, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		hash = (hash * 16777619u) ^ (unsigned char)s.p[i];
	return hash;
}

/* What the meta page of a hash has the hash of, its NUL included. */
#define BDB_CHARKEY ((struct span){ "%$sniglet^&", sizeof("%$sniglet^&") })

/* Which of the numbers of a hash belongs to a bucket: ceil(log2(b + 1)). */
static inline unsigned
bdb_spare_of(uint32_t bucket)
{
	unsigned n = 0;

	for (uint64_t limit = 1; limit < (uint64_t)bucket + 1; limit <<= 1)
		n++;
	return n;
}

#endif
