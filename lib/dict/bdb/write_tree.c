#include "dict/bdb/out.h"
#include "dict/bdb/write.h"

#include <stdlib.h>

enum {
	AHEAD = 8, /* pairs that are got from the memory ahead */
	ROOT = 1, /* its page: db_verify wants no other */
	/* More bytes are on pages of their own: two pairs fit a page. */
	LARGE = BDB_PAGE / 4 - 2 * BDB_LARGE_SIZE,
};

/* A page whose keys are above it: where it is, and the least key in it. */
struct child {
	uint32_t page;
	const struct pair *least;
};

struct level {
	struct child *v;
	size_t n, max;
};

static void
add_child(struct level *l, uint32_t page, const struct pair *least)
{
	if (l->n == l->max) {
		l->max = l->max ? 2 * l->max : 256;
		l->v = realloc(l->v, l->max * sizeof(*l->v));
		if (!l->v)
			die("no memory");
	}
	l->v[l->n++] = (struct child){ page, least };
}

static size_t
aligned(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* In a leaf. */
static size_t
item_size(size_t n, bool nul)
{
	n += nul;
	return n > LARGE ? BDB_LARGE_SIZE : aligned(n + BDB_LEAF_HEAD);
}

static void
put_item(struct out *o, unsigned char *page, struct span s, bool nul)
{
	unsigned char *at = page + out_entry(page, item_size(s.n, nul));

	if (s.n + nul > LARGE) {
		at[2] = BDB_TREE_LARGE;
		out_large(o, at + 4, s, nul);
		return;
	}
	bdb_put16(at, 0, s.n + nul);
	at[2] = BDB_TREE_BYTES;
	memcpy(at + BDB_LEAF_HEAD, s.p, s.n); /* the page is zeros */
}

static bool
has_room(const unsigned char *page, size_t size, size_t entries)
{
	return bdb_get16(page, BDB_AT_DATA) >= BDB_HEADER + size +
	    2u * (bdb_get16(page, BDB_AT_ENTRIES) + entries);
}

/* The number of a level's first page: if it is to be the only one, the root's. */
static uint32_t
first_page(struct out *o, size_t size)
{
	return size <= BDB_PAGE - BDB_HEADER ? ROOT : o->next++;
}

static size_t
pair_size(const struct pair *p, bool nul)
{
	return item_size(p->key_n, nul) + item_size(p->value_n, nul);
}

static size_t
leaves_size(const struct pairs *p, bool nul)
{
	size_t size = 0;

	for (size_t i = 0; i < p->n; i++)
		size += pair_size(p->v[i], nul) + 2 * 2;
	return size;
}

static void
put_leaves(struct out *o, const struct pairs *p, bool nul, struct level *l)
{
	unsigned char *page = o->page;
	uint32_t number = first_page(o, leaves_size(p, nul));

	out_clear(page, number, BDB_TREE_LEAF);
	page[BDB_AT_LEVEL] = 1;
	add_child(l, number, p->n > 0 ? p->v[0] : NULL);
	for (size_t i = 0; i < p->n; i++) {
		const struct pair *pair = p->v[i];

		if (i + AHEAD < p->n)
			PREFETCH(p->v[i + AHEAD]);

		if (!has_room(page, pair_size(pair, nul), 2)) {
			uint32_t next = o->next++;

			bdb_put32(page, BDB_AT_NEXT, next);
			out_page(o, page);
			out_clear(page, next, BDB_TREE_LEAF);
			bdb_put32(page, BDB_AT_PREV, number);
			page[BDB_AT_LEVEL] = 1;
			add_child(l, next, pair);
			number = next;
		}
		put_item(o, page, pair_key(pair), nul);
		put_item(o, page, pair_value(pair), nul);
	}
	out_page(o, page);
}

/* The first of a page is less than any, and has no key. */
static size_t
inner_size(const struct child *c, bool is_first, bool nul)
{
	size_t n = is_first ? 0 : c->least->key_n + nul;

	return aligned(BDB_INNER_HEAD + (n > LARGE ? BDB_LARGE_SIZE : n));
}

static void
put_inner(struct out *o, unsigned char *page, const struct child *c,
    bool is_first, bool nul)
{
	unsigned char *at = page +
	    out_entry(page, inner_size(c, is_first, nul));
	struct span key = is_first ? (struct span){ NULL, 0 }
				   : pair_key(c->least);
	size_t n = is_first ? 0 : key.n + nul;

	at[2] = BDB_TREE_BYTES;
	bdb_put32(at, 4, c->page);
	if (n > LARGE) {
		at[2] = BDB_TREE_LARGE;
		n = BDB_LARGE_SIZE;
		at[BDB_INNER_HEAD + 2] = BDB_TREE_LARGE;
		out_large(o, at + BDB_INNER_HEAD + 4, key, nul);
	} else if (key.n > 0) {
		memcpy(at + BDB_INNER_HEAD, key.p, key.n);
	}
	bdb_put16(at, 0, n);
}

static size_t
level_size(const struct level *l, bool nul)
{
	size_t size = 0;

	for (size_t i = 0; i < l->n; i++)
		size += inner_size(&l->v[i], i == 0, nul) + 2;
	return size;
}

/* What stands above `below`; the last level has one page. */
static void
put_level(struct out *o, const struct level *below, unsigned char level,
    bool nul, struct level *above)
{
	unsigned char *page = o->page;
	uint32_t number = first_page(o, level_size(below, nul));
	bool is_first = true;

	for (size_t i = 0; i < below->n; i++) {
		const struct child *c = &below->v[i];

		if (i == 0 || !has_room(page, inner_size(c, false, nul), 1)) {
			if (i > 0) {
				out_page(o, page);
				number = o->next++;
			}
			out_clear(page, number, BDB_TREE_INNER);
			page[BDB_AT_LEVEL] = level;
			add_child(above, number, c->least);
			is_first = true;
		}
		put_inner(o, page, c, is_first, nul);
		is_first = false;
	}
	out_page(o, page);
}

int
bdb_write_tree(int fd, struct pairs *p, bool nul)
{
	struct level now = { 0 };
	unsigned char level = 1;
	struct out *o = out_new(fd, ROOT + 1);

	pairs_sort(p);
	put_leaves(o, p, nul, &now);
	while (now.n > 1) {
		struct level above = { 0 };

		put_level(o, &now, ++level, nul, &above);
		free(now.v);
		now = above;
	}
	bdb_put32(o->meta, BDB_AT_KEYS, p->n);
	bdb_put32(o->meta, BDB_AT_RECORDS, p->n);
	bdb_put32(o->meta, BDB_AT_MINKEY, 2);
	bdb_put32(o->meta, BDB_AT_PAD, ' ');
	bdb_put32(o->meta, BDB_AT_ROOT, ROOT);
	free(now.v);
	return out_end(o, BDB_TREE_MAGIC, BDB_TREE_VERSION, BDB_TREE_META);
}
