/*
 * routing_private.h - what is open behind a struct routing; private to lib/mail.
 */
#ifndef MAIL_ROUTING_PRIVATE_H
#define MAIL_ROUTING_PRIVATE_H

#include "dict/lists.h"
#include "mail/maps.h"
#include "mail/routing.h"

struct routing_params {
	const char *myorigin;
	const char *myhostname;
	const char *recipient_delimiter;
	const char *local_transport;
	const char *virtual_transport;
	const char *relay_transport;
	const char *default_transport;
	const char *relayhost;
	const char *virtual_mailbox_base;
	const char *mail_location;
	const char *home_mailbox;
	bool append_at_myorigin;
	bool show_table;
	int64_t expansion_limit;
	int64_t recursion_limit;
	int64_t length_limit;
	int64_t minimum_uid;
	const char *propagate;
	const char *parents;
	const char *inet_interfaces;
};

/* The lists of domains, and the tables, in the order of their names below. */
enum {
	LIST_MYDESTINATION,
	LIST_VIRTUAL_ALIAS,
	LIST_VIRTUAL_MAILBOX,
	LIST_RELAY,
	LISTS_N,
};

enum {
	MAPS_ALIAS,
	MAPS_TRANSPORT,
	MAPS_LOCAL,
	MAPS_MAILBOX,
	MAPS_RELAY,
	MAPS_UID,
	MAPS_GID,
	MAPS_N,
};

struct routing {
	struct routing_params p;
	struct arena *texts; /* the strings of ->p */
	struct span delimiters;
	bool keeps_extensions;
	bool transport_parents;
	struct lists *own; /* addresses of this machine */
	struct lists *lists[LISTS_N];
	struct maps maps[MAPS_N];
};

/* `addr`, with $myorigin behind it if it has no domain. NULL: no room. */
MUST_USE bool routing_complete(const struct routing *r, struct span addr,
    struct arena *a, struct span *addr_r);

/* Where virtual_mailbox_maps say that its mailbox lies. */
MUST_USE enum dict_result routing_mailbox_path(struct routing *r,
    struct span addr, struct arena *a, struct span *path_r, struct why *why);

/* What virtual_uid_maps or virtual_gid_maps say: FOUND or TEMPFAIL. */
MUST_USE enum dict_result routing_mailbox_id(struct routing *r,
    struct span addr, bool is_uid, struct arena *a, uint64_t *id_r,
    struct why *why);

MUST_USE enum dict_result routing_class(struct routing *r, struct span addr,
    struct arena *a, enum address_class *class_r, struct why *why);

#endif
