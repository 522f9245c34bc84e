/*
 * steps.h - what happens to an address on its way, told to who explains it.
 *
 * The code that rewrites and routes addresses tells each step, with the parameter,
 * table and key that made it. In daemons nobody listens, and it costs a comparison.
 */
#ifndef MAIL_STEPS_H
#define MAIL_STEPS_H

#include "base/span.h"

/* All is borrowed for the call. */
struct step {
	const char *parameter; /* "virtual_alias_maps", "masquerade_domains" */
	const char *table; /* "hash:/etc/aliases"; NULL: no table was asked */
	struct span addr; /* to which it happens */
	struct span key; /* that was found; ->p NULL: none */
	struct span value; /* what the table or the parameter says */
};

typedef void steps_fn(const struct step *s, void *arg);

/* From now on `fn` is told; NULL: nobody. For a program of one thread. Plain. */
void steps_on_tell(steps_fn *fn, void *arg);

void steps_tell(const struct step *s);

#endif
