/*
 * source.h - the rules of a table of patterns: the lines of a file, or what
 * stands in main.cf itself; private to lib/dict.
 *
 *	type:/file
 *	type:{{rule}, {rule} ...}
 *
 * Each rule within braces is one line. Blanks around it do not count, and
 * braces inside a rule come in pairs.
 */
#ifndef DICT_SOURCE_H
#define DICT_SOURCE_H

#include "conf/lines.h"
#include "dict/private.h"

struct source {
	struct lines lines;
	char *text; /* what the lines point into; to be given to free() */
	bool is_file;
	struct stat st; /* of the file */
};

/* Returns 0 or -errno with `why`. Blocks. */
MUST_USE int source_read(const char *name, struct source *s_r, struct why *why);

#endif
