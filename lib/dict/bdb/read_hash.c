#include "dict/bdb/page.h"

/* The entry, with its kind in front. */
static bool
entry_at(const struct bdb *b, size_t i, struct span *s_r)
{
	size_t at = bdb_get16(b->page, BDB_HEADER + 2 * i);
	size_t end = i == 0 ? b->page_size
			    : bdb_get16(b->page, BDB_HEADER + 2 * (i - 1));

	if (at < BDB_HEADER || at >= end || end > b->page_size)
		return false;
	*s_r = (struct span){ (const char *)b->page + at, end - at };
	return true;
}

static int
bytes_of(struct bdb *b, size_t i, struct span *s_r, struct why *why)
{
	struct span e;

	if (!entry_at(b, i, &e))
		return bdb_damaged(b, b->page, why);
	if (e.p[0] == BDB_HASH_BYTES) {
		*s_r = (struct span){ e.p + 1, e.n - 1 };
		return 0;
	}
	if (e.p[0] != BDB_HASH_LARGE || e.n != BDB_LARGE_SIZE)
		return bdb_damaged(b, b->page, why);
	return bdb_read_large(b, (const unsigned char *)e.p, s_r, why);
}

/* The next page of a bucket. One that was never used is all zeros. */
static int
turn_page(struct bdb *b, uint32_t n, struct why *why)
{
	int error = bdb_turn(b, n, why);

	if (error || b->is_void)
		return error;
	if (b->page[BDB_AT_TYPE] != BDB_HASH_SORTED &&
	    b->page[BDB_AT_TYPE] != BDB_HASH_UNSORTED)
		return bdb_damaged(b, b->page, why);
	return 0;
}

static uint32_t
page_of(const struct bdb *b, uint32_t bucket)
{
	unsigned spare = bdb_spare_of(bucket);

	/* Page 0 is refused where it is read. */
	return spare < BDB_SPARES ? bucket + b->spares[spare] : 0;
}

/* 1: it was on the page. */
static int
find_on_page(struct bdb *b, struct span key, struct span *value_r,
    struct why *why)
{
	size_t n = bdb_get16(b->page, BDB_AT_ENTRIES);
	struct span s;

	for (size_t i = 0; i + 1 < n; i += 2) {
		int error = bytes_of(b, i, &s, why);

		if (error)
			return error;
		if (!span_eq(s, key))
			continue;
		error = bytes_of(b, i + 1, value_r, why);
		return error ? error : 1;
	}
	return 0;
}

enum dict_result
bdb_hash_find(struct bdb *b, struct span key, struct span *value_r,
    struct why *why)
{
	uint32_t hash = bdb_hash(0, key);
	uint32_t bucket = hash & b->high;
	uint32_t page;

	if (bucket > b->bucket_max)
		bucket &= b->low;
	page = page_of(b, bucket);
	for (uint32_t turned = 0; turned <= b->last; turned++) {
		int found = turn_page(b, page, why);

		if (found == 0)
			found = find_on_page(b, key, value_r, why);
		if (found != 0)
			return found > 0 ? DICT_FOUND : DICT_TEMPFAIL;
		page = bdb_get32(b->page, BDB_AT_NEXT);
		if (page == 0)
			return DICT_ABSENT;
	}
	(void)bdb_damaged(b, b->page, why);
	return DICT_TEMPFAIL;
}

int
bdb_hash_each(struct bdb *b, dict_each_fn *fn, void *arg, struct why *why)
{
	uint32_t turned = 0;
	int error = 0;

	for (uint32_t bucket = 0; bucket <= b->bucket_max; bucket++) {
		uint32_t page = page_of(b, bucket);

		while (page != 0) {
			if (turned++ > b->last)
				return bdb_damaged(b, b->page, why);
			error = turn_page(b, page, why);
			if (error)
				return error;
			for (size_t i = 0;
			     i + 1 < bdb_get16(b->page, BDB_AT_ENTRIES);
			     i += 2) {
				error = bdb_tell(b, bytes_of, i, fn, arg, why);
				if (error)
					return error;
			}
			page = bdb_get32(b->page, BDB_AT_NEXT);
		}
	}
	return 0;
}
