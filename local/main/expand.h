/*
 * expand.h - what a local recipient comes to: a pure machine.
 *
 * It begins with an address that is local and steps: through aliases, then to the
 * user, to what he forwards, and so on, until only leaves are left. What it wants
 * to know it asks by expand_step(), and is told by one of the answers; the caller
 * looks up, reads and waits.
 *
 *	for (w = expand_step(&x); w != EXPAND_DONE; w = expand_step(&x))
 *		switch (w) { ... expand_answer(&x, found, value); }
 *
 * NO END. A name that is reached from itself is taken no further by the same step:
 * an alias that has its own name in it means the user of that name, and who names
 * himself in his .forward gets the mail into his mailbox. So every chain ends;
 * how long and how broad it may be is bounded besides, and what goes beyond that
 * is one leaf that says so. What an alias with an owner comes to is sent on, local
 * or not: so what fails for one of a list is not done again for the others.
 */
#ifndef LOCAL_MAIN_EXPAND_H
#define LOCAL_MAIN_EXPAND_H

#include "base/arena.h"
#include "base/span.h"
#include "mail/aliases.h"

enum {
	EXPAND_DEPTH_MAX = 100,
	EXPAND_ITEMS_MAX = 5000, /* that one recipient may come to */

	/* Where commands or files may stand. */
	EXPAND_IN_ALIAS = BIT(0),
	EXPAND_IN_FORWARD = BIT(1),
	EXPAND_IN_INCLUDE = BIT(2),
};

/* A user of the system. */
struct expand_user {
	struct span name;
	uint32_t uid;
	uint32_t gid;
	struct span home;
	struct span shell;
};

struct expand_config {
	struct span delimiters; /* recipient_delimiter */
	struct span origin; /* myorigin: behind names without a domain */
	unsigned commands; /* EXPAND_IN_... */
	unsigned files;
	bool owner_request_special;
	bool expand_owner_alias;
	bool reset_owner_alias;
	bool transports; /* EXPAND_TRANSPORT is asked */
	bool relay; /* EXPAND_RELAY is asked */
};

enum leaf_kind {
	LEAF_MAILBOX, /* of ->user */
	LEAF_PASS, /* to be given to the transport of ->text */
	LEAF_ADDRESS, /* to be sent on */
	LEAF_COMMAND,
	LEAF_FILE,
	LEAF_BOUNCE, /* ->text says why, with ->dsn */
	LEAF_DEFER,
};

struct leaf {
	enum leaf_kind kind;
	struct span text; /* the address, command, path, or reason */
	const char *dsn;
	struct span to; /* the address that led to it */
	struct span extension; /* of it, without delimiter */
	struct span sender; /* owner-NAME@..., if an alias has an owner */
	const struct expand_user
	    *user; /* NULL: nobody's, that is default_privs */
};

enum expand_want {
	EXPAND_DONE,
	EXPAND_ALIAS, /* the value of ->key in alias_maps */
	EXPAND_DOMAIN, /* whether ->key is a domain of this machine */
	EXPAND_USER, /* who ->key is: expand_answer_user() */
	EXPAND_FORWARD, /* items of the .forward of ->user, for ->key or "" */
	EXPAND_INCLUDE, /* items of the file ->key, read as ->user */
	EXPAND_TRANSPORT, /* who delivers to ->key; ->user is NULL if unknown */
	EXPAND_RELAY, /* who gets mail to ->key, which is nobody: an item */
};

/* The local address that a question is about. */
struct expand_address {
	struct span text; /* all of it */
	struct span local; /* in small letters, and without quotes */
	struct span base; /* without extension */
	struct span extension;
};

/* "Could not find out" is never "no". */
enum expand_found {
	EXPAND_YES,
	EXPAND_NO,
	EXPAND_LATER,
};

struct expand_node;
struct expand_item;

struct expand {
	const struct expand_config *c;
	struct arena *arena;
	enum expand_want want;
	struct span key;
	const struct expand_user *user;
	struct expand_address about;

	size_t n;
	struct leaf *leaves;

	/* Private. */
	struct expand_item *items;
	size_t items_n, items_max, at, leaves_max;
	unsigned step; /* of the item */
	bool failed;
};

/* Begins with a local address, complete; all it makes is in the arena. */
void expand_init(struct expand *x, const struct expand_config *c,
    struct arena *a, struct span addr);

/* What it wants to know next. */
enum expand_want expand_step(struct expand *x);

/*
 * Of EXPAND_FORWARD: whether the mailbox of ->user is all that it comes to, if he
 * forwards nothing; then that is *leaf_r.
 */
bool expand_is_last(const struct expand *x, struct leaf *leaf_r);

/*
 * The answer to any want but EXPAND_USER. Of files `value` has items each on a
 * line. LATER: `value` is the reason, for a leaf.
 */
void expand_answer(struct expand *x, enum expand_found found,
    struct span value);

/* `user` lives as long as the arena. */
void expand_answer_user(struct expand *x, enum expand_found found,
    const struct expand_user *user, struct span reason);

#endif
