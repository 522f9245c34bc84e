/*
 * pattern.h - the tables regexp: and pcre:, but for how a pattern is matched;
 * private to lib/dict.
 *
 *	/pattern/flags value
 *	!/pattern/flags value
 *	if /pattern/flags, if !/pattern/flags ... endif
 *
 * The first pattern that matches wins; $1 ${1} $(1) in the value are what its
 * parentheses matched, $$ is a dollar.
 */
#ifndef DICT_PATTERN_H
#define DICT_PATTERN_H

#include "dict/private.h"

enum {
	PATTERN_GROUPS_MAX = 100, /* $0 is not used */
};

enum pattern_match {
	PATTERN_YES,
	PATTERN_NO,
	PATTERN_ERROR, /* with `why` */
};

/* Where a group matched; ->p NULL: nowhere. */
struct pattern_groups {
	struct span group[PATTERN_GROUPS_MAX];
	size_t n;
};

struct pattern_kind {
	const char *type;
	/*
	 * Compiles; `pattern` ends in a NUL, which is not counted. `groups_r`
	 * is how many parentheses it has. NULL with `why`.
	 */
	void *(*compile)(struct span pattern, struct span flags,
	    size_t *groups_r, struct why *why);
	/* A NUL stands behind `key`, which may hold others. */
	enum pattern_match (*match)(const void *compiled, struct span key,
	    struct pattern_groups *groups_r, struct why *why);
	void (*release)(void *compiled);
};

struct dict *pattern_open(const struct pattern_kind *kind, const char *name,
    unsigned flags, struct why *why);

#endif
