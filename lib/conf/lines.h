/*
 * lines.h - logical lines, as all of Postfix's text files have them.
 *
 * A line that begins with a blank goes on with the line before it. Lines that
 * are empty, all blank, or whose first character that is no blank is a '#', are
 * no lines at all, also between a line and what goes on with it.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include "base/defs.h"
#include "base/span.h"
#include "base/why.h"

enum {
	LINES_FILE_MAX = 64 << 20, /* no text that a person keeps is larger */
};

/* What is left to read. The text is written to: lines are joined in place. */
struct lines {
	char *p;
	size_t n;
	unsigned at; /* the number of the last physical line that was read */
};

/*
 * Takes the next logical line, without its newline, and the number of the
 * physical line on which it begins. False: there is none.
 */
MUST_USE bool lines_next(struct lines *l, struct span *line_r,
    unsigned *number_r);

/* Whether a physical line says nothing. */
bool lines_is_void(struct span line);

/*
 * Takes "name = value" apart; the value may be empty. Returns 0, or -EINVAL with
 * `why`, which names the place.
 */
MUST_USE int lines_split(struct span text, const char *file, unsigned line,
    struct span *name_r, struct span *value_r, struct why *why);

/*
 * Reads a whole file for lines_next(). `text_r`, to be given to free(), is what
 * the lines point into; a NUL stands behind it. Returns 0 or -errno with `why`.
 * Blocks.
 */
MUST_USE int lines_read(const char *path, struct lines *lines_r, char **text_r,
    struct why *why);

#endif
