/*
 * expand.h - $name in values, private to lib/conf.
 *
 *	$name $(name) ${name}		the value, expanded in its turn
 *	${name?text} ${name?{text}}	text if the value is not empty
 *	${name:text} ${name:{text}}	text if it is
 *	${name?{a}:{b}}			one or the other
 *	${{a} == {b} ? {c} : {d}}	compared, as numbers if both are digits;
 *					== != < <= > >=, and those with "level",
 *					which compare versions
 *	$$				a dollar
 *
 * "Not empty" is asked of the value as it is written, as Postfix does.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include "base/buf.h"
#include "base/why.h"

enum {
	EXPAND_DEPTH_MAX = 100, /* names in names, and braces in braces */
	EXPAND_STEPS_MAX = 100000, /* texts in texts, all in all */
	EXPAND_VALUE_MAX = 1 << 20, /* bytes */
};

/* Returns the value of a name as written, or NULL: nothing has that name. */
typedef const char *expand_lookup_fn(void *arg, struct span name);

/*
 * Appends the expansion of `text`, which is the value of `name` ("" if it has
 * none), to `out`. Returns 0, or -EINVAL with `why`, which names no place.
 */
MUST_USE int expand(struct span text, struct span name, expand_lookup_fn *fn,
    void *arg, struct buf *out, struct why *why);

/* The same of a text, where $name of what nothing has is an error. */
MUST_USE int expand_strictly(struct span text, expand_lookup_fn *fn, void *arg,
    struct buf *out, struct why *why);

/* Calls `fn` for each name that stands in `text`, and never fails. */
void expand_names(struct span text, expand_lookup_fn *fn, void *arg);

#endif
