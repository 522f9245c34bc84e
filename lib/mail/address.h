/*
 * address.h - addresses of RFC 5321: read from a command, written in one form.
 *
 * A struct address points into what was read: the local part as it was written,
 * with its quotes if it had any, and the domain, which may be an [address
 * literal]. address_put() writes the one canonical form that all else in the
 * suite compares, keeps and looks up: quotes only where they are needed, no dot
 * at the end of the domain. Case stays; who compares folds it.
 *
 * Source routes are read and dropped (RFC 5321, appendix C). Without
 * ADDRESS_STRICT there is Postfix's leniency for paths: no angle brackets, blanks
 * around, and dots of a local part wherever they stand.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/buf.h"

enum {
	ADDRESS_LOCAL_MAX = 512, /* RFC 5321 has 64; lists and VERP have more */
	ADDRESS_DOMAIN_MAX = 255, /* RFC 5321, section 4.5.3.1.2 */
	/* Canonical: each byte quoted, quotes around, "@", and the domain. */
	ADDRESS_MAX = 2 * ADDRESS_LOCAL_MAX + 3 + ADDRESS_DOMAIN_MAX,

	/* For the functions below. */
	ADDRESS_STRICT = BIT(0), /* strict_rfc821_envelopes */
	ADDRESS_UTF8 = BIT(1), /* RFC 6531 */
};

/* All empty: the null path <>. Without a domain: a local part alone. */
struct address {
	struct span local;
	struct span domain;
};

/* Path of RFC 5321, section 4.1.2, or <>. */
MUST_USE bool take_path(struct span *in, unsigned flags,
    struct address *address_r);

/* Mailbox of RFC 5321, or a local part alone. */
MUST_USE bool take_mailbox(struct span *in, unsigned flags,
    struct address *address_r);

/* Writes the canonical form: at most ADDRESS_MAX bytes, none for <>. */
void address_put(const struct address *address, struct buf *out);

/*
 * Cuts a canonical address at its last @ that is not in quotes. False: it has
 * no domain, and is all local part.
 */
bool address_cut(struct span address, struct span *local_r,
    struct span *domain_r);

/* Whether `host` is a name: labels of letters, digits, - and _, with dots. */
bool address_is_hostname(struct span host);

/* Whether it is an [address literal] with an address in it. */
bool address_is_literal(struct span domain);

#endif
