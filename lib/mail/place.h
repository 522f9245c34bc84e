/*
 * place.h - where a user's mail lies, and whose it is: for deliveries and for
 * those who log in.
 *
 * What is said of the user comes first (mail=, uid=, gid=), then mail_location,
 * then virtual_mailbox_base with virtual_mailbox_maps, and last the user's home
 * with home_mailbox. Who owns it, where the user's entry does not say, is in
 * virtual_uid_maps and virtual_gid_maps.
 *
 * A LOCATION is "maildir:PATH", or the path alone: absolute, or in the home when
 * it begins with "~/" or "%h/". In it %u is the user, %n what stands before the
 * @ and %d what stands behind it, in small letters and without an extension. What
 * would lead out of its folder is refused, whoever wrote it.
 */
#ifndef MAIL_PLACE_H
#define MAIL_PLACE_H

#include "mail/routing.h"

/* What is known of a user; all but the name may be empty. */
struct place_user {
	struct span name; /* "alice@demo.test" */
	struct span mail;
	struct span home;
	struct span uid;
	struct span gid;
};

/*
 * The mailbox of a user: FOUND; ABSENT with `why` where nothing says where it
 * lies; TEMPFAIL with `why`. Its root is absolute, its path ends in '/'. Quick.
 */
MUST_USE enum dict_result place_find(struct routing *r,
    const struct place_user *u, struct arena *a, struct mailbox_place *place_r,
    struct why *why);

/*
 * A location's root and path: `base` is a root that it may lie below, or "".
 * False with `why`. Plain.
 */
MUST_USE bool place_expand(struct span location, const struct place_user *u,
    const char *base, struct arena *a, struct mailbox_place *place_r,
    struct why *why);

/*
 * "user@domain" of "user+extension@domain"; false: it has no extension, or the
 * arena is full. Plain.
 */
MUST_USE bool place_drop_extension(const struct routing *r, struct span addr,
    struct arena *a, struct span *addr_r);

#endif
