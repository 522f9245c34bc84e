/*
 * feed.h - logical lines of a file or of standard input, however large it is, one
 * at a time in a bounded memory. What a line is, conf/lines.h tells.
 */
#ifndef POSTMAP_FEED_H
#define POSTMAP_FEED_H

#include "base/defs.h"
#include "base/span.h"

enum {
	FEED_LINE_MAX = 16 << 20, /* bytes of a logical line */
};

enum feed_result {
	FEED_LINE,
	FEED_END,
	FEED_TOO_LONG,
	FEED_FAILED, /* errno tells why */
};

struct feed {
	int fd;
	unsigned at; /* number of the last physical line that was taken */
	uint64_t taken; /* bytes, to show how far it is */
	bool is_over;
	char *p; /* what was read: `begin` to `end` is not yet taken */
	size_t begin, end, size;
};

/* `fd` is the caller's. */
void feed_init(struct feed *f, int fd);
void feed_fini(struct feed *f);

/* The next line, good until the next call, and the number of its first one. */
MUST_USE enum feed_result feed_next(struct feed *f, struct span *line_r,
    unsigned *number_r);

#endif
