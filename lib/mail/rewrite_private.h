/*
 * rewrite_private.h - what the files behind rewrite.h share.
 */
#ifndef MAIL_REWRITE_PRIVATE_H
#define MAIL_REWRITE_PRIVATE_H

#include "conf/compat.h"
#include "dict/lists.h"
#include "mail/maps.h"
#include "mail/rewrite.h"

/* In the order of rewrite_map_names[]. */
enum {
	MAPS_SENDER_CANONICAL,
	MAPS_RECIPIENT_CANONICAL,
	MAPS_CANONICAL,
	MAPS_SENDER_BCC,
	MAPS_RECIPIENT_BCC,
	REWRITE_MAPS,
};

extern const char *const rewrite_map_names[REWRITE_MAPS];

struct rewrite_params {
	const char *myorigin;
	const char *mydomain;
	const char *recipient_delimiter;
	const char *remote_domain;
	const char *always_bcc;
	const char *canonical_classes;
	const char *sender_classes;
	const char *recipient_classes;
	const char *masquerade_domains;
	const char *masquerade_classes;
	const char *masquerade_exceptions;
	const char *propagate;
	bool append_at_myorigin;
	bool append_dot_mydomain;
	bool percent_hack;
	bool swap_bangpath;
};

struct rewrite {
	struct rewrite_params p;
	struct span delimiters;
	bool keeps_extensions; /* of canonical tables */
	unsigned canonical, sender, recipient, masquerade; /* roles */
	struct lists *mydestination;
	struct maps maps[REWRITE_MAPS];
	struct compat *append_dot; /* of append_dot_mydomain */
};

/* How the tables are to be asked for an address. */
struct maps_form rewrite_form(const struct rewrite *r, struct span addr);

/* DICT_TEMPFAIL: there is no room for an address. */
enum dict_result rewrite_full(struct why *why);

#endif
