/*
 * names.h - $user and the like, in values that are expanded for each recipient:
 * forward_path and luser_relay.
 *
 *	$name $(name) ${name}		what it is; without one the value is of no use
 *	${name?text} ${name:text}	text, if there is one, or is none
 *	$$				a dollar
 *
 * Names are those of Postfix's local: user, home, shell, recipient, extension,
 * domain, local, recipient_delimiter. What they are may come from strangers, and
 * is never expanded itself.
 */
#ifndef LOCAL_MAIN_NAMES_H
#define LOCAL_MAIN_NAMES_H

#include "base/arena.h"
#include "base/span.h"

enum {
	NAMES_TEXT_MAX = 4096, /* of what comes of a value */
};

struct names {
	struct span user;
	struct span home;
	struct span shell;
	struct span recipient;
	struct span extension;
	struct span domain;
	struct span local;
	struct span delimiter;
};

/*
 * Expands `text`; bytes of a name's value that are not in `filter`, unless it is
 * NULL, become '_'. False: a name has no value, or is none, or it is too long.
 */
MUST_USE bool names_expand(struct span text, const struct names *n,
    const char *filter, struct arena *a, struct span *out_r);

/*
 * Takes the next of a list: commas and blanks are between, but not in ${...}.
 * False: there is none left.
 */
MUST_USE bool names_next(struct span *list, struct span *item_r);

#endif
