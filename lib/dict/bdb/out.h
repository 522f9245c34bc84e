/*
 * out.h - the pages of a file in the making; private to lib/dict/bdb.
 *
 * Errors are sticky: out_end() says whether there was one.
 */
#ifndef DICT_BDB_OUT_H
#define DICT_BDB_OUT_H

#include "dict/bdb/format.h"

enum {
	OUT_WAITING = 64, /* pages of one write */
};

struct out {
	int fd;
	int error; /* an errno */
	uint32_t next; /* number of the first page that nobody has */
	uint32_t first; /* page that is in ->waiting */
	size_t n; /* how many are */
	unsigned char meta[BDB_PAGE]; /* the user's, to be filled in */
	unsigned char page[BDB_PAGE]; /* the user's */
	unsigned char large[BDB_PAGE];
	unsigned char waiting[OUT_WAITING * BDB_PAGE];
};

struct out *out_new(int fd, uint32_t next);

/* Writes all, frees `o`. Returns 0 or an errno. */
MUST_USE int out_end(struct out *o, uint32_t magic, uint32_t version,
    unsigned char type);

/* An empty page of this number and type, to be filled in and given to out_page(). */
void out_clear(unsigned char page[BDB_PAGE], uint32_t n, unsigned char type);
void out_page(struct out *o, const unsigned char page[BDB_PAGE]);

/* Room of `size` bytes in `page` for its next entry; SIZE_MAX: it is full. */
size_t out_entry(unsigned char page[BDB_PAGE], size_t size);

/*
 * Writes bytes, and a NUL if `nul`, to pages of their own, and fills in page and
 * length at `at` of an entry.
 */
void out_large(struct out *o, unsigned char *at, struct span s, bool nul);

#endif
