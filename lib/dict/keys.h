/*
 * keys.h - in which forms an address, a host or a network address is looked up,
 * and in which order.
 *
 *	for (keys_address(&k, KEYS_VIRTUAL, addr, "+", is_ours); keys_next(&k);)
 *		if (k.partial && dict_is_pattern(d))
 *			continue;
 *		else
 *			dict_get(d, k.key, ...);
 *
 *	KEYS_ACCESS	user+ext@dom user@dom dom parents.. user+ext@ user@
 *	KEYS_VIRTUAL	user+ext@dom user@dom user+ext user @dom
 *			(user+ext and user only if the domain is ours)
 *	KEYS_ADDRESS	the same
 *	KEYS_MAILBOX	user+ext@dom user@dom @dom
 *	KEYS_TRANSPORT	user+ext@dom user@dom dom parents.. *
 *
 * A user in quotes is looked up as that, and then without them, but for
 * KEYS_VIRTUAL: "a@b+x"@dom a@b+x@dom "a@b"@dom a@b@dom. Quotes stand only where
 * they have to.
 *
 * The parents of a.b.c are .b.c and .c, or, where parent_domain_matches_
 * subdomains has it so, b.c and c. Who finds something stops.
 */
#ifndef DICT_KEYS_H
#define DICT_KEYS_H

#include "base/defs.h"
#include "base/span.h"

enum {
	KEYS_TEXT_MAX = 1280, /* a longer address has no keys */
};

enum keys_kind {
	KEYS_ACCESS,
	KEYS_VIRTUAL,
	KEYS_ADDRESS,
	KEYS_MAILBOX,
	KEYS_TRANSPORT,
};

struct keys {
	struct span key; /* after keys_next(): good until the next call */
	bool partial; /* it is not the whole: no key for patterns */

	/* Private from here on. */
	int step;
	enum keys_kind kind;
	bool no_dots; /* parents are without a dot in front */
	bool bare; /* the user alone is a key */
	bool quoted; /* ->user and ->base are without quotes, and need some */
	bool plain; /* the next key is the one without them */
	char separator; /* of networks: '.' or ':' */
	struct span user;
	struct span base; /* the user without extension; empty if it has none */
	struct span domain; /* what is left of it, when its turn has come */
	struct span whole_domain;
	char text[KEYS_TEXT_MAX];
	char unquoted[KEYS_TEXT_MAX]; /* of ->user, if it is quoted */
};

/*
 * `address` is user@domain, or a user alone; it and `delimiters` (as of
 * recipient_delimiter) must outlive `k`.
 */
void keys_address(struct keys *k, enum keys_kind kind, struct span address,
    struct span delimiters, bool bare, bool parents_match);

/* A host's name and its parent domains. */
void keys_host(struct keys *k, struct span name, bool parents_match);

/* 192.0.2.1, 192.0.2, 192.0, 192; likewise for IPv6, at each colon. */
void keys_ip(struct keys *k, struct span address);

/* Goes on to the next key. False: there is none. */
MUST_USE bool keys_next(struct keys *k);

/*
 * Splits user+ext at the first of `delimiters`; the delimiter is in neither. Who
 * stands in quotes is not split: half of them would be nobody's name.
 * False: there is none, or the user is one of those that are never split; with a
 * dash among `delimiters`, owner-LIST and LIST-request are (owner_request_special).
 */
MUST_USE bool keys_split(struct span local, struct span delimiters,
    struct span *user_r, struct span *extension_r);

#endif
