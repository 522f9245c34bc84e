/*
 * expand_build.h - items and leaves of an expansion. Private to expand.
 */
#ifndef LOCAL_MAIN_EXPAND_BUILD_H
#define LOCAL_MAIN_EXPAND_BUILD_H

#include "local/main/expand.h"

/* Something that was expanded, on the way to an item. */
struct expand_node {
	const struct expand_node *parent;
	enum expand_want source; /* EXPAND_ALIAS, _FORWARD, _INCLUDE, _RELAY */
	struct span key; /* of the alias, the user, or the path */
	const struct expand_user *user;
	struct span sender;
	bool owned; /* what it names is sent on */
	unsigned depth;
};

struct expand_item {
	enum alias_kind kind;
	struct span text; /* of an address: all of it */
	const struct expand_node *from;

	/* Of a local address, as it goes on. */
	struct span local; /* in small letters */
	struct span base; /* without extension */
	struct span extension;
	struct span sender; /* if an alias has an owner */
	bool owned;
	struct span value; /* of that alias */
	struct span alias;
	const struct expand_user *user;
};

static inline struct expand_item *
expand_current(struct expand *x)
{
	return &x->items[x->at];
}

/* Whether `key` was expanded on the way to `n`. */
bool expand_has_been(const struct expand_node *n, enum expand_want source,
    struct span key);

/* Adds what the current item comes to, unless it is there already. */
void expand_add_leaf(struct expand *x, struct leaf leaf);
void expand_add_verdict(struct expand *x, enum leaf_kind kind, const char *dsn,
    const char *text, struct span name);

void expand_add_item(struct expand *x, const struct expand_item *item);

/* All items of a value or of a file become items of ours. */
void expand_add_items(struct expand *x, const struct expand_node *from,
    struct span value);

/* What the current item's `source` is; NULL: no memory. */
const struct expand_node *expand_make_node(struct expand *x,
    enum expand_want source, struct span key);

/* "name@origin". An empty span: no room. */
struct span expand_join(struct expand *x, struct span a, struct span b,
    struct span domain);

/* Cuts a local part; quotes are taken off what the tables are asked for. */
void expand_take_apart(struct expand *x, struct expand_item *i,
    struct span local);

#endif
