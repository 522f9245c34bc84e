/*
 * environ: variables of the process's environment, whatever the name; and internal:
 * a table that is empty when a process begins, and into which nobody looks.
 */
#include "dict/memory.h"

#include <errno.h>
#include <stdlib.h>

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	char *name = arena_dup(arena, key);
	const char *value;

	(void)d;
	if (!name) {
		(void)why_set(why, ENOMEM, NULL, 0, "a key is too long");
		return DICT_TEMPFAIL;
	}
	value = memchr(name, '\0', key.n) ? NULL : getenv(name);
	return value ? dict_give(span_str(value), arena, value_r, why)
		     : DICT_ABSENT;
}

struct dict *
environ_open(const char *name, unsigned flags, struct why *why)
{
	static const struct dict_ops ops = { .get = get, .quick = true };
	struct dict *d = zalloc(sizeof(*d));

	(void)why;
	dict_init(d, &ops, "environ", name, flags);
	return d;
}

struct dict *
internal_open(const char *name, unsigned flags, struct why *why)
{
	(void)why;
	return &memory_dict_new("internal", name, flags)->dict;
}
