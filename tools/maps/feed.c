#include "tools/maps/feed.h"

#include "base/scan.h"
#include "conf/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ROOM = 256 << 10,
};

void
feed_init(struct feed *f, int fd)
{
	*f = (struct feed){ .fd = fd, .size = ROOM };
	f->p = zalloc(f->size);
}

void
feed_fini(struct feed *f)
{
	free(f->p);
}

/* Reads on behind what there is. */
static enum feed_result
read_more(struct feed *f)
{
	ssize_t n;

	if (f->begin > 0) {
		memmove(f->p, f->p + f->begin, f->end - f->begin);
		f->end -= f->begin;
		f->begin = 0;
	}
	if (f->end == f->size) {
		char *more;

		if (f->size >= FEED_LINE_MAX)
			return FEED_TOO_LONG;
		f->size *= 2;
		more = realloc(f->p, f->size);
		if (!more)
			return FEED_FAILED;
		f->p = more;
	}
	do
		n = read(f->fd, f->p + f->end, f->size - f->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return FEED_FAILED;
	f->is_over = n == 0;
	f->end += (size_t)n;
	return FEED_LINE;
}

/*
 * How many bytes in front hold a whole logical line and all that belongs to it:
 * up to a line that begins with neither a blank nor a "#", and is not empty.
 */
static size_t
whole(const struct feed *f, size_t from)
{
	const char *p = f->p + f->begin;
	size_t n = f->end - f->begin;
	const char *lf = p + from;

	while ((lf = memchr(lf, '\n', n - (size_t)(lf - p))) != NULL) {
		size_t next = (size_t)(++lf - p);

		if (next == n)
			break;
		if (!is_white(p[next]) && p[next] != '#')
			return next;
	}
	return f->is_over ? n : 0;
}

/* Has a whole logical line, or some that say nothing, in front; *n_r: bytes. */
static enum feed_result
get_whole(struct feed *f, size_t *n_r)
{
	size_t looked = 0;

	while ((*n_r = whole(f, looked)) == 0 && !f->is_over) {
		enum feed_result result;

		/* The last line may go on: it is looked at again. */
		looked = f->end - f->begin;
		while (looked > 0 && f->p[f->begin + looked - 1] != '\n')
			looked--;
		looked -= looked > 0 ? 1 : 0;
		result = read_more(f);
		if (result != FEED_LINE)
			return result;
	}
	return *n_r > 0 ? FEED_LINE : FEED_END;
}

enum feed_result
feed_next(struct feed *f, struct span *line_r, unsigned *number_r)
{
	enum feed_result result;
	bool found = false;
	size_t n;

	while (!found) {
		struct lines lines;

		result = get_whole(f, &n);
		if (result != FEED_LINE)
			return result;
		lines = (struct lines){ f->p + f->begin, n, f->at };
		found = lines_next(&lines, line_r, number_r);
		n -= lines.n;
		f->at = lines.at;
		f->begin += n;
		f->taken += n;
	}
	return FEED_LINE;
}
