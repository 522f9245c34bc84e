/*
 * filter.h - what tables that ask servers have in common: which keys are asked
 * for at all, and what becomes of the values; private to lib/dict.
 */
#ifndef DICT_SERVER_FILTER_H
#define DICT_SERVER_FILTER_H

#include "dict/lists.h"
#include "dict/server/config.h"

enum {
	FILTER_VALUE_MAX = 128
	    << 10, /* bytes, of all values with their commas */
};

struct filter {
	struct lists *domains; /* NULL: any key */
	const char *result_format;
	int64_t expansion_limit; /* values; 0: any number */
};

/* Reads domain, result_format, expansion_limit. Returns 0, or with `why`. */
MUST_USE int filter_open(struct filter *f, const struct config *c,
    struct why *why);
void filter_close(struct filter *f);

/* Whether it can be in such a table: with `domain`, a user of one of those. */
MUST_USE enum dict_result filter_takes(const struct filter *f, struct span key,
    struct why *why);

/* Values on their way to a result. */
struct values {
	const struct filter *filter;
	const char *table;
	struct span key;
	struct buf out;
	int64_t n;
	bool failed; /* and `why` says so */
	struct why why;
};

/* Storage is the heap's, until values_fini(). */
void values_init(struct values *v, const struct filter *f, const char *table,
    struct span key);
void values_fini(struct values *v);
void values_reset(struct values *v);

/* Adds one. False: no more are wanted, as ->failed. */
bool values_add(struct values *v, struct span value);

/* What is there. */
MUST_USE enum dict_result values_give(struct values *v, struct arena *arena,
    struct span *value_r, struct why *why);

#endif
