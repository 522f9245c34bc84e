#include "dict/pairs.h"

#include "dict/bdb/format.h"

#include <endian.h>
#include <stdlib.h>

enum {
	BLOCK = 1 << 20, /* bytes of pairs that are got at a time */
	FEW = 12, /* so many keys are compared as they are */
	MANY = 2000, /* so many are sorted without comparing them */
	DEPTH_MAX = 512, /* bytes; what has those in common, too */
	WORD = 8, /* bytes of a key that are compared at a time */
};

struct block {
	struct block *next;
	size_t used, size;
	char bytes[];
};

void
pairs_init(struct pairs *p)
{
	*p = (struct pairs){ .slots = 1024 };
	p->slot = zalloc(p->slots * sizeof(*p->slot));
}

void
pairs_fini(struct pairs *p)
{
	while (p->blocks) {
		struct block *b = p->blocks;

		p->blocks = b->next;
		free(b);
	}
	free(p->slot);
	free(p->v);
	*p = (struct pairs){ 0 };
}

/* Where `hash` begins to look: its upper bits decide, too. */
static size_t
first_slot(const struct pairs *p, uint32_t hash)
{
	return (hash ^ (hash >> 15)) & (p->slots - 1);
}

static void
put_slot(struct pairs *p, uint32_t hash, size_t place)
{
	size_t i = first_slot(p, hash);

	while (p->slot[i])
		i = (i + 1) & (p->slots - 1);
	p->slot[i] = (uint64_t)hash << 32 | (uint32_t)(place + 1);
}

static void
index_again(struct pairs *p, size_t slots)
{
	free(p->slot);
	p->slots = slots;
	p->slot = zalloc(slots * sizeof(*p->slot));
	for (size_t i = 0; i < p->n; i++)
		put_slot(p, p->v[i]->hash, i);
}

/* Its place in ->v, or SIZE_MAX. */
static size_t
find(const struct pairs *p, struct span key, uint32_t hash)
{
	size_t i = first_slot(p, hash);

	for (; p->slot[i]; i = (i + 1) & (p->slots - 1)) {
		size_t place = (uint32_t)p->slot[i] - 1;

		if (p->slot[i] >> 32 == hash &&
		    span_eq(pair_key(p->v[place]), key))
			return place;
	}
	return SIZE_MAX;
}

static struct pair *
new_pair(struct pairs *p, struct span key, struct span value, uint32_t hash)
{
	size_t size = (sizeof(struct pair) + key.n + value.n + 7) & ~(size_t)7;
	struct block *b = p->blocks;
	struct pair *pair;

	if (p->size + size > PAIRS_BYTES_MAX)
		return NULL;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK ? size : BLOCK;

		b = malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		*b = (struct block){ p->blocks, 0, room };
		p->blocks = b;
	}
	pair = (struct pair *)(void *)(b->bytes + b->used);
	b->used += size;
	p->size += size;
	pair->hash = hash;
	pair->key_n = (uint32_t)key.n;
	pair->value_n = (uint32_t)value.n;
	if (key.n > 0)
		memcpy(pair->bytes, key.p, key.n);
	if (value.n > 0)
		memcpy(pair->bytes + key.n, value.p, value.n);
	return pair;
}

static bool
append(struct pairs *p, struct pair *pair)
{
	if (p->n == p->max) {
		size_t max = p->max ? 2 * p->max : 1024;
		struct pair **v = realloc(p->v, max * sizeof(struct pair *));

		if (!v)
			return false;
		p->v = v;
		p->max = max;
	}
	p->v[p->n++] = pair;
	if (2 * p->n > p->slots)
		index_again(p, 4 * p->slots);
	else
		put_slot(p, pair->hash, p->n - 1);
	return true;
}

enum pairs_result
pairs_add(struct pairs *p, struct span key, struct span value, bool replace)
{
	uint32_t hash = bdb_hash(0, key);
	size_t place = find(p, key, hash);
	struct pair *pair;

	if (place != SIZE_MAX && !replace)
		return PAIRS_TWICE;
	pair = new_pair(p, key, value, hash);
	if (!pair)
		return PAIRS_FULL;
	if (place == SIZE_MAX)
		return append(p, pair) ? PAIRS_ADDED : PAIRS_FULL;
	p->v[place] = pair;
	return PAIRS_TWICE;
}

bool
pairs_remove(struct pairs *p, struct span key)
{
	size_t place = find(p, key, bdb_hash(0, key));

	if (place == SIZE_MAX)
		return false;
	memmove(p->v + place, p->v + place + 1,
	    (p->n - place - 1) * sizeof(struct pair *));
	p->n--;
	index_again(p, p->slots);
	return true;
}

/* Bytes `depth` and on, as a number that is in the order of the bytes. */
static uint64_t
word_of(const struct pair *p, size_t depth)
{
	uint64_t word = 0;
	size_t n = p->key_n > depth ? p->key_n - depth : 0;

	if (n >= WORD) {
		memcpy(&word, p->bytes + depth, WORD);
		return be64toh(word);
	}
	for (size_t i = 0; i < WORD; i++)
		word = word << 8 |
		    (i < n ? (unsigned char)p->bytes[depth + i] : 0);
	return word;
}

/* A pair with the word of its key that is being compared. */
struct item {
	uint64_t word;
	struct pair *pair;
};

static int
compare_words(const void *a, const void *b)
{
	const struct item *left = a;
	const struct item *right = b;

	return (left->word > right->word) - (left->word < right->word);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct pair *left = ((const struct item *)a)->pair;
	const struct pair *right = ((const struct item *)b)->pair;
	size_t n = left->key_n < right->key_n ? left->key_n : right->key_n;
	int order = memcmp(left->bytes, right->bytes, n);

	return order != 0
	    ? order
	    : (left->key_n > right->key_n) - (left->key_n < right->key_n);
}

static void
swap(struct item **a, struct item **b)
{
	struct item *t = *a;

	*a = *b;
	*b = t;
}

/* By the last byte first, each time keeping the order of those with the same. */
static void
sort_by_bytes(struct item *v, size_t n, size_t count[WORD][256])
{
	struct item *from = v, *to = zalloc(n * sizeof(*to)), *room = to;

	for (size_t byte = 0; byte < WORD; byte++) {
		size_t *at = count[byte], sum = 0;

		/* All have the same there. */
		if (at[from[0].word >> (8 * byte) & 0xff] == n)
			continue;
		for (size_t i = 0; i < 256; i++) {
			size_t these = at[i];

			at[i] = sum;
			sum += these;
		}
		for (size_t i = 0; i < n; i++)
			to[at[from[i].word >> (8 * byte) & 0xff]++] = from[i];
		swap(&from, &to);
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
	free(room);
}

static void
sort_words(struct item *v, size_t n)
{
	size_t(*count)[256];

	if (n < MANY) {
		qsort(v, n, sizeof(*v), compare_words);
		return;
	}
	count = zalloc(WORD * sizeof(*count));
	for (size_t i = 0; i < n; i++)
		for (size_t byte = 0; byte < WORD; byte++)
			count[byte][v[i].word >> (8 * byte) & 0xff]++;
	sort_by_bytes(v, n, count);
	free(count);
}

/*
 * Sorts by eight bytes of the key at a time, which lie side by side, and then those
 * that have them in common by the next eight: the keys themselves, all over the
 * memory, are hardly looked at.
 */
static void
sort_items(struct item *v, size_t n, size_t depth)
{
	if (n <= FEW || depth >= DEPTH_MAX) {
		qsort(v, n, sizeof(*v), compare_keys);
		return;
	}
	for (size_t i = 0; i < n; i++)
		v[i].word = word_of(v[i].pair, depth);
	sort_words(v, n);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && v[end].word == v[i].word;)
			end++;
		if (end - i > 1)
			sort_items(v + i, end - i, depth + WORD);
	}
}

/* How many bytes all keys have in front. */
static size_t
common_prefix(struct pair *const *v, size_t n)
{
	size_t common = v[0]->key_n;

	for (size_t i = 1; i < n; i++) {
		size_t at = 0;

		if (common > v[i]->key_n)
			common = v[i]->key_n;
		while (at < common && v[i]->bytes[at] == v[0]->bytes[at])
			at++;
		common = at;
	}
	return common;
}

void
pairs_sort_some(struct pair **v, size_t n)
{
	struct item *item;

	if (n < 2)
		return;
	item = zalloc(n * sizeof(*item));
	for (size_t i = 0; i < n; i++)
		item[i].pair = v[i];
	sort_items(item, n, common_prefix(v, n));
	for (size_t i = 0; i < n; i++)
		v[i] = item[i].pair;
	free(item);
}

void
pairs_sort(struct pairs *p)
{
	pairs_sort_some(p->v, p->n);
}
