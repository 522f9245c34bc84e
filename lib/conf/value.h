/*
 * value.h - what a value means as a number, a time, a word; private to lib/conf.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/params.h"

/*
 * Each takes the whole of `text`. False: it is none, and the result is not
 * touched. A number may have a minus; a time is in milliseconds, and `unit`
 * stands for what it does not name.
 */
MUST_USE bool value_bool(struct span text, bool *value_r);
MUST_USE bool value_number(struct span text, int64_t *value_r);
MUST_USE bool value_time(struct span text, char unit, int64_t *ms_r);
MUST_USE bool value_word(struct span text, const char *words, int *place_r);

/*
 * The value of `p` as an int, time, size, bool or enum, within its bounds.
 * Returns 0 or -EINVAL with `why`, which says what is allowed, and no place.
 */
MUST_USE int value_parse(const struct param *p, enum conf_type type,
    struct span text, int64_t *value_r, struct why *why);

#endif
