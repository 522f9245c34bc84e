/*
 * addrlist.h - the addresses of a header field, with groups (RFC 5322, 3.4).
 *
 * Names and comments, quotes, routes and groups are taken apart one address at a
 * time; what is broken comes out as well as it can. Nothing is decoded. The
 * canonical addresses of envelopes are those of address.h.
 */
#ifndef MAIL_ADDRLIST_H
#define MAIL_ADDRLIST_H

#include "base/buf.h"

enum addrlist_kind {
	ADDRLIST_MAILBOX,
	ADDRLIST_GROUP, /* begins: ->mailbox is its name */
	ADDRLIST_GROUP_END,
};

/*
 * Good until the next call. ->p is NULL where there is none; a mailbox without a
 * domain has a NULL one. Without a name the last comment is taken for it.
 */
struct addrlist_item {
	enum addrlist_kind kind;
	struct span name;
	struct span route; /* "@a,@b" */
	struct span mailbox; /* without quotes */
	struct span domain;
};

struct addrlist {
	struct span in;
	bool in_group;
	struct buf words;
	struct buf comment;
};

/*
 * Begins to read a field. The scratch has to hold twice the field and 64 bytes:
 * what does not fit is left out.
 */
void addrlist_init(struct addrlist *a, struct span field, char *scratch,
    size_t scratch_max);

/* Takes the next one. False: there are no more; open groups have ended. */
MUST_USE bool addrlist_next(struct addrlist *a, struct addrlist_item *item_r);

#endif
