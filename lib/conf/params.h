/*
 * params.h - the table of parameters: what main.cf can say, in one place.
 *
 * Each family has a file in lib/conf/params/, of rows
 *
 *	PARAM(NAME, TYPE, DEFAULT, MIN, MAX, SINCE, STATE, "meaning")
 *	PARAM_ENUM(NAME, DEFAULT, "word word ...", SINCE, STATE, "meaning")
 *
 * TYPE is a conf_type without CONF_. DEFAULT is a text as main.cf would have
 * it. Words of an enum that mean the same have a | between them. MIN and MAX
 * bound a number (time: seconds); for a text MIN 1 says that it must not be
 * empty. The unit of a time without one is that of its DEFAULT.
 * SINCE is the version of Postfix that brought it (0: always), or PARAM_OURS.
 */
#ifndef CONF_PARAMS_H
#define CONF_PARAMS_H

#include "conf/conf.h"

enum param_state {
	PARAM_WORKS,
	PARAM_NOT_YET, /* accepted, and does nothing so far */
	PARAM_NO_EFFECT, /* accepted, and never will do anything here */
};

#define PARAM_OURS 100000 /* as SINCE: Postfix has no such parameter */

struct param {
	const char *name;
	enum conf_type type;
	const char *fallback; /* the default */
	int64_t min;
	int64_t max;
	const char *words; /* of an enum, else NULL */
	int since; /* 2.10 is 210, 3.6 is 306 */
	enum param_state state;
	const char *meaning;
};

/* Returns the row with this name, or NULL. */
const struct param *param_find(struct span name);

/*
 * The row whose default NAME inherits where NAME is made of a service's name,
 * as default_destination_concurrency_limit for
 * virtual_destination_concurrency_limit. NULL: it is made of nothing known.
 */
const struct param *param_find_inherited(struct span name);

/* The same as a value: "$default_destination_concurrency_limit", or NULL. */
const char *param_inherited_value(struct span name);

/*
 * The ends of names that a service of this program gives parameters, the i-th;
 * NULL: there are no more. "smtp" has "_destination_concurrency_limit" ...
 */
const char *param_suffix(const char *command, size_t i);

/* All rows, sorted by name. */
size_t param_count(void);
const struct param *param_at(size_t i);

/* The number of a row, for param_at(). False: there is no such name. */
MUST_USE bool param_number(const char *name, size_t *i_r);

/* Calls `fn` for each row, sorted by name. */
typedef void param_fn(const struct param *p, void *arg);
void param_each(param_fn *fn, void *arg);

/* Why it has no effect here, or NULL: it has one, or is to have one. */
const char *param_reason(const struct param *p);

/* The unit that a time of this parameter has if it names none: 's', 'd' ... */
char param_time_unit(const struct param *p);

#endif
