/*
 * rewrite.h - addresses as they are to be: completed, canonical, masqueraded, and
 * who gets a copy (ADDRESS_REWRITING_README of Postfix has the order).
 *
 * 1. user -> user@$myorigin, host!user -> user@host, user%host -> user@host,
 *    user@host -> user@host.$mydomain, as parameters say. Always in envelopes; in
 *    headers of clients that are ours, or with $remote_header_rewrite_domain.
 * 2. sender_ or recipient_canonical_maps, then canonical_maps.
 * 3. masquerade_domains.
 *
 * Aliases are routing.h's, and come after. A table that cannot be asked is
 * DICT_TEMPFAIL.
 */
#ifndef MAIL_REWRITE_H
#define MAIL_REWRITE_H

#include "base/arena.h"
#include "conf/conf.h"
#include "dict/dict.h"

enum rewrite_role {
	REWRITE_ENVELOPE_SENDER = BIT(0),
	REWRITE_ENVELOPE_RECIPIENT = BIT(1),
	REWRITE_HEADER_SENDER = BIT(2),
	REWRITE_HEADER_RECIPIENT = BIT(3),
};

struct rewrite;

/* Opens the tables that `c` names. Returns NULL with `why`. Blocks. */
struct rewrite *rewrite_open(const struct conf *c, struct why *why);
struct rewrite *rewrite_close(struct rewrite *r);

/*
 * What becomes of a canonical address, in the arena: FOUND if it is another one.
 * `is_ours` is the client, which counts in headers only. Of <> nothing. Quick.
 */
MUST_USE enum dict_result rewrite_address(struct rewrite *r,
    enum rewrite_role role, bool is_ours, struct span addr, struct arena *a,
    struct span *addr_r, struct why *why);

/*
 * The first step alone, for an address of an envelope: where mail to it really
 * goes, whatever tables say. Who relays has to look at this one, as a user%host is
 * nobody's local user. False: it is too long. Plain.
 */
MUST_USE bool rewrite_complete(const struct rewrite *r, struct span addr,
    struct arena *a, struct span *addr_r);

/*
 * The same for all addresses of a header field, of which `value` is what stands
 * behind the colon. Names, comments, groups and line ends stay. ABSENT also where
 * the field is none with addresses. Quick.
 */
MUST_USE enum dict_result rewrite_field(struct rewrite *r, struct span name,
    bool is_ours, struct span value, struct arena *a, struct span *value_r,
    struct why *why);

/* Whether fields of this name have addresses that are rewritten. Plain. */
bool rewrite_is_field(struct span name);

/* Whether fields of such a client can be changed at all. Plain. */
bool rewrite_has_fields(const struct rewrite *r, bool is_ours);

/*
 * Who gets a copy of all mail of this sender (always_bcc, sender_bcc_maps), or to
 * this recipient (recipient_bcc_maps): FOUND with *n_r addresses. Quick.
 */
MUST_USE enum dict_result rewrite_bcc_of_sender(struct rewrite *r,
    struct span sender, struct arena *a, const struct span **list_r,
    size_t *n_r, struct why *why);
MUST_USE enum dict_result rewrite_bcc_of_recipient(struct rewrite *r,
    struct span rcpt, struct arena *a, const struct span **list_r, size_t *n_r,
    struct why *why);

#endif
