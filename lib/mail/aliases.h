/*
 * aliases.h - what stands behind a name: the right-hand side of aliases(5), the
 * lines of a .forward or of an :include: file.
 *
 *	user, user@domain, "quoted user"@domain, Name <user@domain>
 *	\user                     his mailbox, whatever he forwards
 *	/file/name
 *	|command, |"command and words", "|command and words"
 *	:include:/file/name
 *
 * Items stand between commas; in a file also between lines, and a line that
 * begins with # is none. It comes in two steps, as who reads a user's file only
 * cuts it: what it hands out is looked at by another.
 */
#ifndef MAIL_ALIASES_H
#define MAIL_ALIASES_H

#include "base/arena.h"
#include "base/span.h"

enum {
	ALIASES_ITEM_MAX = 4096, /* bytes of one item */
};

enum alias_kind {
	ALIAS_ADDRESS, /* canonical, as of address.h; maybe without a domain */
	ALIAS_MAILBOX, /* the same, behind a backslash */
	ALIAS_COMMAND,
	ALIAS_FILE, /* an absolute path */
	ALIAS_INCLUDE, /* the same */
	ALIAS_BAD, /* none of these; the text is as it stands */
};

struct alias_item {
	enum alias_kind kind;
	struct span text; /* without the sign of its kind */
};

/* Takes the next item off a value, as it stands. False: there is none. */
MUST_USE bool aliases_cut(struct span *value, struct span *item_r);

/* The same from the text of a file. */
MUST_USE bool aliases_cut_lines(struct span *text, struct span *item_r);

/* What an item is; its text is in the arena. False: there is no room. */
MUST_USE bool aliases_parse(struct span item, struct arena *a,
    struct alias_item *item_r);

/*
 * A line of an alias file, "name: value", the name without quotes and, but for
 * `keep_capitals`, in small letters. False: it is none. The name may be written to `name_r`'s arena.
 */
MUST_USE bool aliases_take_line(struct span line, bool keep_capitals,
    struct arena *a, struct span *name_r, struct span *value_r);

#endif
