/*
 * mech.h - the mechanisms that show a password: PLAIN (RFC 4616) and LOGIN, as
 * pure exchanges: responses go in, challenges come out, and at last a name and a
 * password. Who may not be who he says finds out elsewhere.
 *
 * In PLAIN the identity to act as must be that of the password, or empty: nobody
 * acts for others here.
 */
#ifndef SASL_MECH_H
#define SASL_MECH_H

#include "base/buf.h"
#include "sasl/scheme.h"

enum {
	MECH_USER_MAX = 255,
	MECH_CHALLENGE_MAX = 32, /* room that a step needs */
};

enum mech_kind {
	MECH_PLAIN,
	MECH_LOGIN,
};

enum mech_result {
	MECH_CHALLENGE, /* it was appended; the response goes to mech_step() */
	MECH_READY, /* ->user and ->password */
	MECH_REFUSED, /* ->text says why */
};

struct mech {
	enum mech_kind kind;
	const char *name; /* "PLAIN" */
	const char *text;
	size_t user_n; /* 0: not yet known */
	size_t password_n;
	char user[MECH_USER_MAX + 1]; /* ASCII letters are small */
	char password[SCHEME_PASSWORD_MAX + 1];
};

/* Begins one by its name, in any case. False: there is none. */
MUST_USE bool mech_init(struct mech *m, struct span name);

/* Wipes. */
void mech_fini(struct mech *m);

/* The first step; without an initial response, its ->p is NULL. */
enum mech_result mech_start(struct mech *m, struct span initial,
    struct buf *challenge);

/* The next ones, after MECH_CHALLENGE. */
enum mech_result mech_step(struct mech *m, struct span response,
    struct buf *challenge);

#endif
