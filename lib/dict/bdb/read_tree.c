#include "dict/bdb/page.h"

/* The bytes of entry `i`, of which `head` stand in front. */
static int
bytes_of(struct bdb *b, size_t i, size_t head, struct span *s_r,
    struct why *why)
{
	size_t at = bdb_get16(b->page, BDB_HEADER + 2 * i);
	const unsigned char *e = b->page + at;
	size_t n;

	if (at < BDB_HEADER || at + head > b->page_size)
		return bdb_damaged(b, b->page, why);
	n = bdb_get16(e, 0);
	if (e[2] == BDB_TREE_BYTES && n <= b->page_size - at - head) {
		*s_r = (struct span){ (const char *)e + head, n };
		return 0;
	}
	/* Above the leaves a large key is told of behind the head. */
	if (head == BDB_INNER_HEAD)
		e += head;
	if (b->page[at + 2] != BDB_TREE_LARGE ||
	    (size_t)(e - b->page) + BDB_LARGE_SIZE > b->page_size)
		return bdb_damaged(b, b->page, why);
	return bdb_read_large(b, e, s_r, why);
}

static int
compare(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/*
 * The last of `n` keys, which are `step` entries apart, that is not greater than
 * `key`; SIZE_MAX if all are. In an inner page the first is less than any.
 */
static int
search(struct bdb *b, struct span key, size_t n, bool inner, size_t *i_r,
    struct why *why)
{
	size_t low = inner ? 1 : 0, high = n;
	struct span s;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int error = inner
		    ? bytes_of(b, middle, BDB_INNER_HEAD, &s, why)
		    : bytes_of(b, 2 * middle, BDB_LEAF_HEAD, &s, why);

		if (error)
			return error;
		if (compare(s, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	*i_r = low - 1;
	return 0;
}

/* Goes down to the leaf that has the key, or, without one, to the first. */
static int
find_leaf(struct bdb *b, const struct span *key, struct why *why)
{
	uint32_t page = b->root;

	for (size_t down = 0; down < BDB_LEVELS_MAX; down++) {
		int error = bdb_turn(b, page, why);
		size_t n, at, i = 0;

		if (error)
			return error;
		if (b->page[BDB_AT_TYPE] == BDB_TREE_LEAF)
			return 0;
		n = bdb_get16(b->page, BDB_AT_ENTRIES);
		if (b->page[BDB_AT_TYPE] != BDB_TREE_INNER || n == 0)
			break;
		error = key ? search(b, *key, n, true, &i, why) : 0;
		if (error)
			return error;
		at = bdb_get16(b->page, BDB_HEADER + 2 * i);
		if (at < BDB_HEADER || at + BDB_INNER_HEAD > b->page_size)
			break;
		page = bdb_get32(b->page, at + 4);
	}
	return bdb_damaged(b, b->page, why);
}

enum dict_result
bdb_tree_find(struct bdb *b, struct span key, struct span *value_r,
    struct why *why)
{
	struct span s;
	size_t i;

	if (find_leaf(b, &key, why) < 0 ||
	    search(b, key, bdb_get16(b->page, BDB_AT_ENTRIES) / 2, false, &i,
		why) < 0)
		return DICT_TEMPFAIL;
	if (i == SIZE_MAX)
		return DICT_ABSENT;
	if (bytes_of(b, 2 * i, BDB_LEAF_HEAD, &s, why) < 0)
		return DICT_TEMPFAIL;
	if (!span_eq(s, key))
		return DICT_ABSENT;
	return bytes_of(b, 2 * i + 1, BDB_LEAF_HEAD, value_r, why) < 0
	    ? DICT_TEMPFAIL
	    : DICT_FOUND;
}

static int
leaf_bytes(struct bdb *b, size_t i, struct span *s_r, struct why *why)
{
	return bytes_of(b, i, BDB_LEAF_HEAD, s_r, why);
}

int
bdb_tree_each(struct bdb *b, dict_each_fn *fn, void *arg, struct why *why)
{
	int error = find_leaf(b, NULL, why);

	for (uint32_t turned = 0; !error; turned++) {
		uint32_t next = bdb_get32(b->page, BDB_AT_NEXT);
		size_t n = bdb_get16(b->page, BDB_AT_ENTRIES);

		if (turned > b->last || b->page[BDB_AT_TYPE] != BDB_TREE_LEAF)
			return bdb_damaged(b, b->page, why);
		for (size_t i = 0; !error && i + 1 < n; i += 2)
			error = bdb_tell(b, leaf_bytes, i, fn, arg, why);
		if (error || next == 0)
			break;
		error = bdb_turn(b, next, why);
	}
	return error;
}
