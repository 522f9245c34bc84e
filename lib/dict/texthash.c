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

struct texthash {
	struct dict dict;
	struct memory memory;
};

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct texthash *t = container_of(d, struct texthash, dict);
	struct span value;

	if (!memory_find(&t->memory, key, &value))
		return DICT_ABSENT;
	return dict_give(value, arena, value_r, why);
}

static void
close_it(struct dict *d)
{
	memory_fini(&container_of(d, struct texthash, dict)->memory);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

static int
add_line(struct texthash *t, const char *file, struct span line,
    unsigned number, struct why *why)
{
	struct span key;
	struct span value;

	if (row_parse(line, &key, &value) != ROW_TAKEN) {
		log_warning("%s:%u: skipped; allowed is: key value", file,
		    number);
		return 0;
	}
	switch (memory_add(&t->memory, key, value)) {
	case MEMORY_ADDED:
		break;
	case MEMORY_TWICE:
		log_warning("%s:%u: \"%.*s\" is there twice; the first one "
			    "holds",
		    file, number, (int)key.n, key.p);
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

	struct texthash *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, "texthash", name, flags);
	dict_watch(&t->dict, name, &st);
	memory_init(&t->memory);
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
		if (row_parse(line, &key, &value) == ROW_TAKEN)
			fn(key, value, arg);
	free(text);
	return 0;
}
