/*
 * maps.h - a list of tables that are asked in turn, as virtual_alias_maps is.
 */
#ifndef MAIL_MAPS_H
#define MAIL_MAPS_H

#include "conf/conf.h"
#include "dict/dict.h"
#include "dict/keys.h"

struct maps {
	const char *name; /* the parameter's */
	size_t n;
	struct dict **v;
};

/*
 * Opens the tables that parameter `name` lists. All have to be quick, or such that
 * somebody else is asked (dict_on_ask()). Returns 0, or -EINVAL with `why`. Blocks.
 */
MUST_USE int maps_open(const struct conf *c, const char *name,
    struct maps *maps_r, struct why *why);
void maps_close(struct maps *m);
bool maps_changed(const struct maps *m);

/* How addresses are looked up. */
struct maps_form {
	enum keys_kind kind;
	struct span delimiters;
	bool bare; /* the user alone is a key */
	bool parents_match;
};

/*
 * Asks all tables for each form of `addr`, in turn; it may sleep where somebody
 * else is asked. What is found is told (mail/steps.h). With DICT_FOUND, *whole_r
 * (if not NULL) says whether the key had the extension, if there was one.
 */
MUST_USE enum dict_result maps_find(const struct maps *m,
    const struct maps_form *form, struct span addr, struct arena *a,
    struct span *value_r, bool *whole_r, struct why *why);

#endif
