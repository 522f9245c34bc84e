/*
 * rules.h - tables that are rules in an order: cidr, regexp and pcre; private to
 * lib/dict.
 *
 *	what value
 *	!what value
 *	if what, if !what ... endif
 *
 * The first rule that holds gives its value. Rules between "if" and "endif" are
 * looked at only where the "if" holds. What `what` is, the type says.
 */
#ifndef DICT_RULES_H
#define DICT_RULES_H

#include "dict/private.h"

enum {
	RULES_MEMORY_MAX = 256 << 20,
};

struct rule {
	void *what; /* the type's */
	struct span value;
	bool negated;
	bool is_if;
	size_t end; /* of an if: the rule behind its endif */
	size_t outer; /* of an if: the one around it */
};

struct rules {
	struct arena *arena; /* for values, and what the type has there */
	struct rule *v;
	size_t n;
	size_t max;
	size_t open; /* the if whose endif comes next */
};

/*
 * Takes `what` off the line, and with a rule's value fills in ->what and ->value;
 * ->negated and ->is_if are filled in. False with `why`: the line is skipped.
 */
typedef bool rules_parse_fn(struct rules *r, struct span line,
    struct rule *rule, void *arg, struct why *why);

/*
 * Opens "/file" or "{{rule} ...}" for a table that is made by dict_init() already.
 * Lines that are none are warned of. 0 or -errno with `why`. Blocks.
 */
MUST_USE int rules_open(struct rules *r, struct dict *d, const char *type,
    const char *name, rules_parse_fn *parse, void *arg, struct why *why);
void rules_fini(struct rules *r);

/* Which rule is looked at behind rule `i`, which holds or not. */
static inline size_t
rules_next(const struct rules *r, size_t i, bool holds)
{
	return r->v[i].is_if && !holds ? r->v[i].end : i + 1;
}

#endif
