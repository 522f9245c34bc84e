/*
 * grant.h - tells the broker who has logged in, before the front is told;
 * private to auth.
 *
 * There is one connection to the broker, which one task keeps; any number of
 * logins ask over it. No answer is no grant.
 */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "mail/routing.h"

enum {
	GRANT_TOKEN = 16, /* bytes: 128 random bits */
};

struct grant_facts {
	struct span service;
	struct span user;
	struct span fields;
	const struct mailbox_place *place;
	pid_t front; /* who asked */
};

/* A task: keeps the connection to the broker's socket, until it is cancelled. */
void grant_serve(void *path);

/* Draws a token and has it granted. False: it was not, and why. May sleep. */
MUST_USE bool grant_token(const struct grant_facts *f,
    char token_r[GRANT_TOKEN], struct why *why);

#endif
