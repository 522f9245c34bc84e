/*
 * scheme.h - passwords as tables keep them: {SCHEME} and a hash.
 *
 *	{SHA512-CRYPT}$6$..   {SHA256-CRYPT}$5$..   {BLF-CRYPT}$2y$..
 *	{CRYPT}..	whatever crypt(5) of the system knows
 *	{ARGON2ID}$argon2id$..
 *	{SSHA}.. {SHA}..	base64 of SHA-1, for what exists already
 *	{PLAIN}..	the password itself
 *
 * The name of a scheme is in any case. Without one, what begins with a $ is
 * crypt's (or Argon2's); anything else is refused, and never taken for a
 * password in clear.
 */
#ifndef SASL_SCHEME_H
#define SASL_SCHEME_H

#include "base/buf.h"
#include "base/why.h"

enum {
	SCHEME_PASSWORD_MAX = 511, /* bytes: what crypt(3) takes */
	SCHEME_STORED_MAX = 512,
};

enum scheme_result {
	SCHEME_MATCHES,
	SCHEME_DIFFERS,
	SCHEME_UNUSABLE, /* what is stored is no hash we know: see `why` */
	SCHEME_TEMPFAIL, /* no memory for it */
};

/* Whether scheme_matches() could say more than UNUSABLE. `why` if not. */
MUST_USE bool scheme_is_usable(struct span stored, struct why *why);

/*
 * Compares in a time that does not tell how much is right. `why` says nothing of
 * what is stored. Blocks.
 */
MUST_USE enum scheme_result scheme_matches(struct span stored,
    struct span password, struct why *why);

/*
 * Appends "{SCHEME}hash" with a new salt; an empty `scheme` is the one that is
 * recommended, SHA512-CRYPT. Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int scheme_make(struct span scheme, struct span password,
    struct buf *out, struct why *why);

/* Appends the names of all, with blanks between them. */
void scheme_put_names(struct buf *out);

#endif
