/*
 * routing.h - where an address's mail goes: its class, transport and next hop,
 * whether its recipient exists, which addresses it stands for, and where a
 * mailbox lies. One code for smtpd, cleanup, qmgr and authd.
 *
 * They are asked of the tables of main.cf, which are opened once. A table that
 * cannot be asked is DICT_TEMPFAIL, never "no such user".
 *
 * Classes are Postfix's (ADDRESS_CLASS_README): local (mydestination, also
 * [inet_interfaces] literals), virtual alias, virtual mailbox, relay, default.
 */
#ifndef MAIL_ROUTING_H
#define MAIL_ROUTING_H

#include "conf/conf.h"
#include "dict/dict.h"

#include <sys/types.h>

enum address_class {
	CLASS_LOCAL,
	CLASS_VIRTUAL_ALIAS,
	CLASS_VIRTUAL_MAILBOX,
	CLASS_RELAY,
	CLASS_DEFAULT,
};

struct routing;

/* Opens the tables that `c` names. Returns NULL with `why`. Blocks. */
struct routing *routing_open(const struct conf *c, struct why *why);
struct routing *routing_close(struct routing *r);

/* Whether one of its tables was replaced: open it anew. Blocks. */
bool routing_changed(const struct routing *r);

/* All strings are in the arena of the call. */
struct route {
	enum address_class class;
	const char *transport; /* a service of master.cf: "virtual" */
	const char *nexthop; /* "demo.test", "[mail.test]:587" */
	const char *rcpt; /* the address as the transport gets it */
};

/* Always DICT_FOUND or DICT_TEMPFAIL: every address has a route. Quick. */
MUST_USE enum dict_result routing_resolve(struct routing *r, struct span addr,
    struct arena *a, struct route *route_r, struct why *why);

/*
 * Whether the recipient is known: FOUND, or ABSENT with the text that Postfix
 * gives in *text_r ("User unknown in virtual mailbox table"). Quick, but for
 * users of the system, who are asked for of proxymap (dict_on_ask()): then it may
 * sleep, or where nobody is set to ask, it blocks.
 */
MUST_USE enum dict_result routing_exists(struct routing *r, struct span addr,
    struct arena *a, const char **text_r, struct why *why);

/*
 * Expands through virtual_alias_maps, recursively and bounded. FOUND: *list_r
 * has *n_r addresses, in which none stands twice; ABSENT: it stands for itself.
 */
MUST_USE enum dict_result routing_expand(struct routing *r, struct span addr,
    struct arena *a, const struct span **list_r, size_t *n_r, struct why *why);

/* A mailbox of class virtual mailbox, as its maps say; in the arena, too. */
struct mailbox_place {
	const char *root; /* virtual_mailbox_base */
	const char *path; /* below it; ends in '/' if it is a Maildir */
	uid_t uid;
	gid_t gid;
};

/* Whether virtual_mailbox_maps say who there is. Plain. */
bool routing_names_mailboxes(const struct routing *r);

/* TEMPFAIL also where uid or gid are missing or below virtual_minimum_uid. */
MUST_USE enum dict_result routing_mailbox(struct routing *r, struct span addr,
    struct arena *a, struct mailbox_place *place_r, struct why *why);

#endif
