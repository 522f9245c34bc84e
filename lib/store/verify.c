#include "store/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	METAS = 2,
	HEAD = 16, /* of a page */
	NODE_HEAD = 8,
	KEY_MAX = 511,
	DEPTH_MAX = 32,
	FREE_DB = 0,
	MAIN_DB = 1,
	MAGIC_AT = HEAD,
	DBS_AT = HEAD + 24,
	DB_SIZE = 48,
	LAST_AT = DBS_AT + 2 * DB_SIZE,
	TXN_AT = LAST_AT + 8,
	PAGE_MIN = 512,
	PAGE_LIMIT = 65536,
	INTEGER_KEY = 0x08, /* of the tree of free pages */
	/* Beside those of a tree there may be "one file"; but no fixed address. */
	DB_FLAGS = 0xbfff,
	UNWRITTEN_MAX = 1 << 16, /* pages that were given out and never used */
};

#define MAGIC 0xBEEFC0DEu
#define NO_ROOT UINT64_MAX

enum page_flags {
	PAGE_BRANCH = 0x01,
	PAGE_LEAF = 0x02,
	PAGE_OVERFLOW = 0x04,
	PAGE_META = 0x08, /* no other: a "dirty" one is written where it is */
};

enum {
	NODE_BIG = 0x01
};

struct db {
	uint32_t pad;
	uint16_t flags;
	uint16_t depth;
	uint64_t branches;
	uint64_t leaves;
	uint64_t overflows;
	uint64_t entries;
	uint64_t root;
};

_Static_assert(sizeof(struct db) == DB_SIZE, "as in the file");

struct walk {
	int fd;
	size_t page_size;
	uint64_t pages; /* of the file */
	uint64_t last; /* the highest that is in use */
	uint64_t txn;
	unsigned char *seen; /* a bit for each page */
	const char *why;

	/* Of the tree that is walked. */
	bool is_free;
	struct db found; /* as counted */
	size_t last_n; /* the key before; SIZE_MAX: none */
	char last_key[KEY_MAX];
	char *levels; /* a page for each */
};

/* A page in memory, and a node of it. */
struct page {
	const char *p;
	size_t n; /* nodes */
	size_t upper;
};

struct node {
	const char *key;
	size_t key_n;
	uint64_t low; /* length of the data, or the page below */
	unsigned flags;
	const char *data;
};

static bool
fail(struct walk *w, const char *why)
{
	w->why = why;
	return false;
}

static uint16_t
get16(const char *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t
get64(const char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static bool
read_at(struct walk *w, char *to, size_t n, uint64_t at)
{
	ssize_t got;

	do
		got = pread(w->fd, to, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)n || fail(w, "a page cannot be read");
}

/* Takes `n` pages into account, which nobody else has. */
static bool
claim(struct walk *w, uint64_t page, uint64_t n)
{
	if (page < METAS || page > w->last || n == 0 || n > w->last - page + 1)
		return fail(w, "a page outside");
	for (uint64_t i = page; i < page + n; i++) {
		unsigned char bit = (unsigned char)(1 << (i % 8));

		if (w->seen[i / 8] & bit)
			return fail(w, "a page twice");
		w->seen[i / 8] |= bit;
	}
	return true;
}

static bool
read_page(struct walk *w, uint64_t number, char *to, unsigned kind,
    struct page *page_r)
{
	size_t lower;

	if (!claim(w, number, 1))
		return false;
	if (number >= w->pages)
		return fail(w, "a page behind the end");
	if (!read_at(w, to, w->page_size, number * w->page_size))
		return false;
	if (get64(to) != number || get16(to + 10) != kind)
		return fail(w, "a page of another kind");
	lower = get16(to + 12);
	*page_r = (struct page){ to, (lower - HEAD) / 2, get16(to + 14) };
	if (lower < HEAD || lower % 2 != 0 || lower > page_r->upper ||
	    page_r->upper > w->page_size)
		return fail(w, "the bounds of a page");
	return page_r->n >= (kind == PAGE_BRANCH ? 2u : 1u) ||
	    fail(w, "a page without nodes");
}

static bool
take_node(struct walk *w, const struct page *page, size_t i, bool is_branch,
    struct node *node_r)
{
	size_t at = get16(page->p + HEAD + 2 * i);
	size_t room = w->page_size - at;
	const char *p = page->p + at;

	if (at < page->upper || at % 2 != 0 || room < NODE_HEAD ||
	    at > w->page_size)
		return fail(w, "a node outside of its page");
	*node_r = (struct node){
		.key = p + NODE_HEAD,
		.key_n = get16(p + 6),
		.low = get16(p) | (uint64_t)get16(p + 2) << 16,
		.flags = get16(p + 4),
	};
	if (node_r->key_n > KEY_MAX || node_r->key_n > room - NODE_HEAD)
		return fail(w, "the key of a node");
	node_r->data = node_r->key + node_r->key_n;
	if (is_branch) {
		node_r->low |= (uint64_t)node_r->flags << 32;
		return true;
	}
	room -= NODE_HEAD + node_r->key_n;
	if (node_r->flags & ~(unsigned)NODE_BIG)
		return fail(w, "the kind of a node");
	if (node_r->flags & NODE_BIG ? room < 8 : node_r->low > room)
		return fail(w, "the value of a node");
	return true;
}

/* Bytes that a node has in its page. */
static size_t
size_of(const struct node *n, bool is_branch)
{
	size_t data = is_branch ? 0 : n->flags & NODE_BIG ? 8 : n->low;

	return (NODE_HEAD + n->key_n + data + 1) & ~(size_t)1;
}

static int
compare(const struct walk *w, const char *a, size_t a_n, const char *b,
    size_t b_n)
{
	size_t n = a_n < b_n ? a_n : b_n;
	int d;

	if (w->is_free) {
		uint64_t x = get64(a), y = get64(b);

		return (x > y) - (x < y);
	}
	d = n > 0 ? memcmp(a, b, n) : 0;
	return d != 0 ? d : (a_n > b_n) - (a_n < b_n);
}

/* That each key comes after the one before it, in all of the tree. */
static bool
check_key(struct walk *w, const struct node *n, bool may_equal)
{
	int d;

	if (w->is_free ? n->key_n != 8 : n->key_n == 0)
		return fail(w, "the length of a key");
	if (w->is_free && get64(n->key) > w->txn)
		return fail(w, "a transaction of the future");
	if (w->last_n != SIZE_MAX) {
		d = compare(w, w->last_key, w->last_n, n->key, n->key_n);
		if (d > 0 || (d == 0 && !may_equal))
			return fail(w, "the order of keys");
	}
	w->last_n = n->key_n;
	memcpy(w->last_key, n->key, n->key_n);
	return true;
}

/* A page number among those that are free. */
static bool
check_free(struct walk *w, const char *list, size_t n)
{
	uint64_t count, before = UINT64_MAX;

	if (n < 8 || n % 8 != 0 || (count = get64(list)) != n / 8 - 1)
		return fail(w, "a list of free pages");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t page = get64(list + 8 * i);

		if (page >= before)
			return fail(w, "the order of free pages");
		if (!claim(w, page, 1))
			return false;
		before = page;
	}
	return true;
}

/* A value on pages of its own. */
static bool
check_big(struct walk *w, const struct node *n)
{
	uint64_t first = get64(n->data);
	uint64_t pages = (HEAD - 1 + n->low) / w->page_size + 1;
	char head[HEAD];
	char *value;
	bool ok;

	if (!claim(w, first, pages) ||
	    !read_at(w, head, sizeof(head), first * w->page_size))
		return false;
	w->found.overflows += pages;
	if (get64(head) != first || get16(head + 10) != PAGE_OVERFLOW ||
	    (get16(head + 12) | (uint64_t)get16(head + 14) << 16) != pages)
		return fail(w, "a large value");
	if (first + pages > w->pages)
		return fail(w, "a page behind the end");
	if (!w->is_free)
		return true;
	value = malloc(n->low + 1);
	ok = value && read_at(w, value, n->low, first * w->page_size + HEAD) &&
	    check_free(w, value, n->low);
	free(value);
	return value ? ok : fail(w, "no memory");
}

static bool
walk_leaf(struct walk *w, const struct page *page)
{
	size_t sum = 0;

	for (size_t i = 0; i < page->n; i++) {
		struct node n;

		if (!take_node(w, page, i, false, &n) ||
		    !check_key(w, &n, i == 0))
			return false;
		sum += size_of(&n, false);
		if (n.flags & NODE_BIG
			? !check_big(w, &n)
			: w->is_free && !check_free(w, n.data, n.low))
			return false;
	}
	w->found.leaves++;
	w->found.entries += page->n;
	return sum == w->page_size - page->upper ||
	    fail(w, "the size of a page");
}

static bool walk_page(struct walk *w, uint64_t number, unsigned level);

static bool
walk_branch(struct walk *w, const struct page *page, unsigned level)
{
	size_t sum = 0;

	for (size_t i = 0; i < page->n; i++) {
		struct node n;

		if (!take_node(w, page, i, true, &n))
			return false;
		sum += size_of(&n, true);
		/* The first stands for all below the second. */
		if (i > 0 && !check_key(w, &n, false))
			return false;
		if (!walk_page(w, n.low, level + 1))
			return false;
	}
	w->found.branches++;
	return sum == w->page_size - page->upper ||
	    fail(w, "the size of a page");
}

/* Not deeper than the tree says, which is bounded. */
static bool
walk_page(struct walk *w, uint64_t number, unsigned level)
{
	char *to = w->levels + level * w->page_size;
	bool is_leaf = level + 1 == w->found.depth;
	struct page page;

	if (!read_page(w, number, to, is_leaf ? PAGE_LEAF : PAGE_BRANCH, &page))
		return false;
	return is_leaf ? walk_leaf(w, &page) : walk_branch(w, &page, level);
}

static bool
walk_tree(struct walk *w, const struct db *db, bool is_free)
{
	bool ok;

	if ((db->flags & DB_FLAGS) != (is_free ? INTEGER_KEY : 0))
		return fail(w, "the kind of a tree");
	if (db->depth > DEPTH_MAX)
		return fail(w, "the depth of a tree");
	w->is_free = is_free;
	w->last_n = SIZE_MAX;
	w->found = *db;
	w->found.branches = w->found.leaves = 0;
	w->found.overflows = w->found.entries = 0;
	if (db->root == NO_ROOT)
		return (db->depth == 0 && db->entries == 0) ||
		    fail(w, "a tree without a root");
	if (db->depth == 0)
		return fail(w, "a root without a tree");
	w->levels = malloc(db->depth * w->page_size);
	if (!w->levels)
		return fail(w, "no memory");
	ok = walk_page(w, db->root, 0);
	free(w->levels);
	if (ok && memcmp(&w->found, db, sizeof(*db)) != 0)
		return fail(w, "the numbers of a tree");
	return ok;
}

static bool
read_meta(struct walk *w, unsigned i, char *meta)
{
	uint32_t words[2];

	if (!read_at(w, meta, PAGE_MIN, i * w->page_size))
		return false;
	memcpy(words, meta + MAGIC_AT, sizeof(words));
	return (words[0] == MAGIC && words[1] == 1 &&
		   (get16(meta + 10) & PAGE_META)) ||
	    fail(w, "its head");
}

/* The newer of the two, which is what LMDB takes, too. */
static bool
choose_meta(struct walk *w, char *meta)
{
	char other[PAGE_MIN];
	struct db db;

	w->page_size = PAGE_MIN;
	if (!read_meta(w, 0, meta))
		return false;
	memcpy(&db, meta + DBS_AT, sizeof(db));
	if (db.pad < PAGE_MIN || db.pad > PAGE_LIMIT ||
	    (db.pad & (db.pad - 1)) != 0)
		return fail(w, "the size of pages");
	w->page_size = db.pad;
	if (!read_meta(w, 1, other))
		return false;
	memcpy(&db, other + DBS_AT, sizeof(db));
	if (db.pad != w->page_size)
		return fail(w, "the size of pages");
	if (get64(other + TXN_AT) > get64(meta + TXN_AT))
		memcpy(meta, other, PAGE_MIN);
	w->last = get64(meta + LAST_AT);
	w->txn = get64(meta + TXN_AT);
	return true;
}

bool
verify_lmdb(int fd, const char **why_r)
{
	struct walk w = { .fd = fd };
	char meta[PAGE_MIN];
	struct db dbs[2];
	struct stat st;
	bool ok;

	ok = fstat(fd, &st) == 0 && choose_meta(&w, meta);
	if (ok) {
		w.pages = (uint64_t)st.st_size / w.page_size;
		ok = w.last < w.pages + UNWRITTEN_MAX || fail(&w, "its end");
	}
	if (ok) {
		memcpy(dbs, meta + DBS_AT, sizeof(dbs));
		w.seen = calloc(1, (size_t)(w.last / 8 + 1));
		ok = w.seen && walk_tree(&w, &dbs[MAIN_DB], false) &&
		    walk_tree(&w, &dbs[FREE_DB], true);
	}
	free(w.seen);
	*why_r = w.why ? w.why : "it cannot be read";
	return ok;
}
