#include "base/pages.h"

#include "base/list.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if UNDER_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum {
	PAGE = 4096, /* where the system's are larger, cooling does less */
	BLOCK_PAGES = 64, /* as many as a word has bits */
	BLOCK = BLOCK_PAGES * PAGE, /* and what its address is a multiple of */
	GUARD_PAGES = UNDER_ASAN ? 1 : 0, /* behind what is taken */
};

/* In the first of its pages, which is always used. A bit of the words is a page. */
struct block {
	struct link link;
	uint64_t used;
	uint64_t warm; /* free, and held by us */
};

static struct link blocks = { &blocks, &blocks }; /* those with room first */

static size_t
pages_of(size_t n)
{
	return (n + PAGE - 1) / PAGE + GUARD_PAGES;
}

static uint64_t
mask(size_t first, size_t n)
{
	return ((UINT64_C(1) << n) - 1) << first;
}

static struct block *
block_of(void *p)
{
	return (struct block *)((uintptr_t)p & ~(uintptr_t)(BLOCK - 1));
}

static char *
map(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory: %zu bytes", n);
	return p;
}

/* What lies before and behind the multiple goes back. */
static struct block *
add_block(void)
{
	char *all = map(2 * BLOCK);
	size_t before = BLOCK - ((uintptr_t)all & (BLOCK - 1));
	struct block *b = (struct block *)(all + before);

	munmap(all, before);
	if (before < BLOCK)
		munmap(all + before + BLOCK, BLOCK - before);
	b->used = 1;
	ASAN_POISON_MEMORY_REGION((char *)b + PAGE, BLOCK - PAGE);
	link_insert_after(&blocks, &b->link);
	return b;
}

/* The first of `n` pages that follow each other in `set`, or BLOCK_PAGES. */
static size_t
find_run(uint64_t set, size_t n)
{
	for (size_t i = 1; i < n && set; i++)
		set &= set >> 1;
	return set ? (size_t)__builtin_ctzll(set) : BLOCK_PAGES;
}

/* Warm ones first: they are in memory, and maybe in the processor's. */
static void *
take_from(struct block *b, size_t n)
{
	size_t first = find_run(b->warm, n);

	if (first == BLOCK_PAGES)
		first = find_run(~b->used, n);
	if (first == BLOCK_PAGES)
		return NULL;
	b->used |= mask(first, n);
	b->warm &= ~mask(first, n);
	if (b->used == UINT64_MAX) {
		link_remove(&b->link);
		list_append(&blocks, &b->link);
	}
	return (char *)b + first * PAGE;
}

static void *
take(size_t n)
{
	void *p = NULL;

	for (struct link *l = blocks.next; l != &blocks && !p; l = l->next) {
		struct block *b = container_of(l, struct block, link);

		if (b->used == UINT64_MAX)
			break; /* so are all that follow */
		p = take_from(b, pages_of(n));
	}
	return p ? p : take_from(add_block(), pages_of(n));
}

void *
pages_take(size_t n)
{
	void *p;

	must(n > 0);
	if (n > PAGES_MAX)
		return zalloc(n);
	p = take(n);
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
}

void
pages_give(void *p, size_t n)
{
	if (!p || n > PAGES_MAX) {
		free(p);
		return;
	}

	struct block *b = block_of(p);
	uint64_t set = mask((size_t)((char *)p - (char *)b) / PAGE,
	    pages_of(n));

	must((b->used & set) == set);
	ASAN_POISON_MEMORY_REGION(p, n);
	b->used &= ~set;
	b->warm |= set;
	link_remove(&b->link);
	link_insert_after(&blocks, &b->link);
}

static void
cool(struct block *b)
{
	for (size_t i = 0, n; i < BLOCK_PAGES; i += n) {
		n = 1;
		if (!(b->warm >> i & 1))
			continue;
		while (i + n < BLOCK_PAGES && b->warm >> (i + n) & 1)
			n++;
		(void)madvise((char *)b + i * PAGE, n * PAGE, MADV_DONTNEED);
	}
	b->warm = 0;
}

void
pages_cool(void)
{
	for (struct link *next, *l = blocks.next; l != &blocks; l = next) {
		struct block *b = container_of(l, struct block, link);

		next = l->next;
		if (b->used > 1) {
			cool(b);
			continue;
		}
		link_remove(l);
		ASAN_UNPOISON_MEMORY_REGION(b, BLOCK);
		munmap(b, BLOCK);
	}
}
