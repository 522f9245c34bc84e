#include "dict/bdb/out.h"
#include "dict/bdb/write.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LARGE = BDB_PAGE / 4, /* more bytes are on pages of their own */
	ROOM = BDB_PAGE - BDB_HEADER,
	BUCKETS_MAX = 1 << 28,
};

/* What an item takes, with its place in front. */
static size_t
item_size(size_t n, bool nul)
{
	n += nul;
	return n > LARGE ? BDB_LARGE_SIZE : n + 1;
}

static size_t
pair_size(const struct pair *p, bool nul)
{
	return item_size(p->key_n, nul) + item_size(p->value_n, nul) + 4;
}

/* A power of two, such that pages are filled by three quarters at most. */
static uint32_t
count_buckets(const struct pairs *p, bool nul)
{
	uint64_t size = 0;
	uint32_t n = 2;

	for (size_t i = 0; i < p->n; i++)
		size += pair_size(p->v[i], nul);
	while (n < BUCKETS_MAX && (uint64_t)n * ROOM * 3 / 4 < size)
		n *= 2;
	return n;
}

static uint32_t
bucket_of(const struct pair *p, bool nul, uint32_t buckets)
{
	uint32_t hash = nul ? bdb_hash(p->hash, (struct span){ "", 1 })
			    : p->hash;

	return hash & (buckets - 1);
}

static void
put_item(struct out *o, unsigned char *page, struct span s, bool nul)
{
	size_t size = item_size(s.n, nul);
	unsigned char *at = page + out_entry(page, size);

	if (s.n + nul > LARGE) {
		at[0] = BDB_HASH_LARGE;
		out_large(o, at + 4, s, nul);
		return;
	}
	at[0] = BDB_HASH_BYTES;
	memcpy(at + 1, s.p, s.n); /* the NUL is there: the page is zeros */
}

static bool
fits(const unsigned char *page, const struct pair *p, bool nul)
{
	size_t n = bdb_get16(page, BDB_AT_ENTRIES);

	return bdb_get16(page, BDB_AT_DATA) >=
	    BDB_HEADER + 2 * n + pair_size(p, nul);
}

/* The page of a bucket, and more behind it if it is full. */
static void
put_bucket(struct out *o, uint32_t number, struct pair **v, size_t n, bool nul)
{
	unsigned char *page = o->page;

	pairs_sort_some(v, n);
	out_clear(page, number, BDB_HASH_SORTED);
	for (size_t i = 0; i < n; i++) {
		if (!fits(page, v[i], nul)) {
			uint32_t next = o->next++;

			bdb_put32(page, BDB_AT_NEXT, next);
			out_page(o, page);
			out_clear(page, next, BDB_HASH_SORTED);
			bdb_put32(page, BDB_AT_PREV, number);
			number = next;
		}
		put_item(o, page, pair_key(v[i]), nul);
		put_item(o, page, pair_value(v[i]), nul);
	}
	out_page(o, page);
}

/* Sorts by buckets: start[b] is where those of bucket b begin. */
static struct pair **
sort_by_bucket(const struct pairs *p, bool nul, uint32_t buckets, size_t *start)
{
	struct pair **v = zalloc((p->n + 1) * sizeof(struct pair *));

	for (size_t i = 0; i < p->n; i++)
		start[bucket_of(p->v[i], nul, buckets) + 1]++;
	for (uint32_t b = 0; b < buckets; b++)
		start[b + 1] += start[b];
	for (size_t i = 0; i < p->n; i++)
		v[start[bucket_of(p->v[i], nul, buckets)]++] = p->v[i];
	/* Each has now come to where the next one began. */
	memmove(start + 1, start, buckets * sizeof(*start));
	start[0] = 0;
	return v;
}

static void
fill_meta(unsigned char *meta, uint32_t buckets, size_t n)
{
	bdb_put32(meta, BDB_AT_KEYS, n);
	bdb_put32(meta, BDB_AT_RECORDS, n);
	bdb_put32(meta, BDB_AT_BUCKET, buckets - 1);
	bdb_put32(meta, BDB_AT_HIGH, buckets - 1);
	bdb_put32(meta, BDB_AT_LOW, buckets / 2 - 1);
	bdb_put32(meta, BDB_AT_NELEM, n);
	bdb_put32(meta, BDB_AT_CHARKEY, bdb_hash(0, BDB_CHARKEY));
	for (unsigned i = 0; i <= bdb_spare_of(buckets - 1); i++)
		bdb_put32(meta, BDB_AT_SPARES + 4 * i, 1);
}

int
bdb_write_hash(int fd, struct pairs *p, bool nul)
{
	uint32_t buckets = count_buckets(p, nul);
	size_t *start = zalloc(((size_t)buckets + 1) * sizeof(*start));
	struct pair **v = sort_by_bucket(p, nul, buckets, start);
	struct out *o = out_new(fd, buckets + 1);

	for (uint32_t b = 0; b < buckets && !o->error; b++)
		put_bucket(o, b + 1, v + start[b], start[b + 1] - start[b],
		    nul);
	fill_meta(o->meta, buckets, p->n);
	free(v);
	free(start);
	return out_end(o, BDB_HASH_MAGIC, BDB_HASH_VERSION, BDB_HASH_META);
}
