/*
 * user.h - what `auth_user_maps` say of a user:
 *
 *	{SCHEME}hash name=value ...
 *
 * A bare hash works (sasl/scheme.h). Names that mean something to us: uid, gid,
 * home, mail, quota, and allow, the services that the user may log in to, with
 * commas between them; without it, all. What is not understood refuses the
 * login, as nobody knows what it was to forbid.
 */
#ifndef SASL_USER_H
#define SASL_USER_H

#include "base/span.h"
#include "base/why.h"

struct user {
	struct span hash; /* with its scheme */
	struct span fields; /* "uid=1000 home=/home/a"; sasl_field() */
};

/* Spans point into `value`. False with `why`, which tells no hash. */
MUST_USE bool user_parse(struct span value, struct user *user_r,
    struct why *why);

/* Whether the user may use this service. */
MUST_USE bool user_may(const struct user *u, struct span service);

/* The value of `name` in "uid=1000 home=/home/a". False: it is not there. */
MUST_USE bool sasl_field(struct span fields, struct span name,
    struct span *value_r);

#endif
