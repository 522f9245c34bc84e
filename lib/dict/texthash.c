/*
 * texthash: a table's source, read into memory when it is opened. A key that
 * comes twice keeps its first value, and a line that is none is skipped, with a
 * warning for each, as in Postfix.
 */
#include "base/log.h"
#include "conf/lines.h"
#include "dict/memory.h"
#include "dict/private.h"
#include "dict/rows.h"

#include <errno.h>
#include <stdlib.h>

static int
add_line(struct memory_dict *t, const char *file, struct span line,
    unsigned number, struct why *why)
{
	struct span key;
	struct span value;

	switch (row_parse(line, &key, &value)) {
	case ROW_TAKEN:
		break;
	case ROW_NO_VALUE:
		log_warning("%s, line %u: expected format: key whitespace "
			    "value -- ignoring this line",
		    file, number);
		return 0;
	case ROW_UNBALANCED:
		log_warning("%s, line %u: unbalanced '\"' in '%.*s' -- "
			    "ignoring this line",
		    file, number, (int)(line.n < 400 ? line.n : 400), line.p);
		return 0;
	}
	if (row_is_alias(key))
		log_warning("%s, line %u: record is in \"key: value\" format; "
			    "is this an alias file?",
		    file, number);
	switch (memory_add(&t->memory, key, value)) {
	case MEMORY_ADDED:
		break;
	case MEMORY_TWICE:
		log_warning("%s, line %u: duplicate entry: \"%.*s\"", file,
		    number, (int)(key.n < 200 ? key.n : 200), key.p);
		break;
	case MEMORY_FULL:
		return why_set(why, ENOMEM, file, number,
		    "the table is too "
		    "large");
	}
	return 0;
}

struct dict *
texthash_open(const char *name, unsigned flags, struct why *why)
{
	struct lines lines;
	char *text = NULL;
	struct stat st;
	struct span line;
	unsigned number;
	int error;

	/* Before it is read: a change meanwhile is then seen as one. */
	if (stat(name, &st) < 0) {
		(void)why_set(why, errno, name, 0, "%s", strerror(errno));
		return NULL;
	}
	if (lines_read(name, &lines, &text, why) < 0)
		return NULL;

	struct memory_dict *t = memory_dict_new("texthash", name, flags);

	dict_watch(&t->dict, name, &st);
	error = 0;
	while (!error && lines_next(&lines, &line, &number))
		error = add_line(t, name, line, number, why);
	free(text);
	if (error)
		dict_close(&t->dict);
	return error ? NULL : &t->dict;
}

int
texthash_each(const char *file, dict_each_fn *fn, void *arg, struct why *why)
{
	struct lines lines;
	char *text = NULL;
	struct span line, key, value;
	unsigned number;
	int err = lines_read(file, &lines, &text, why);

	if (err < 0)
		return err;
	while (lines_next(&lines, &line, &number))
		if (row_parse(line, &key, &value) == ROW_TAKEN) {
			char *p = text + (key.p - text);

			for (size_t i = 0; i < key.n; i++)
				p[i] = ascii_lower(p[i]);
			fn(key, value, arg);
		}
	free(text);
	return 0;
}
