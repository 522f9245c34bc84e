/*
 * head.h - the head of a message as sendmail gets it: its fields, and the
 * addresses in them. Pure; what a program writes in its head is foreign, so each
 * field and each address is bounded, and comes out in one canonical form or not at
 * all.
 */
#ifndef TOOLS_SUBMIT_HEAD_H
#define TOOLS_SUBMIT_HEAD_H

#include "base/buf.h"

struct head_field {
	struct span all; /* with its line ends */
	struct span name;
	struct span value; /* what is behind the colon */
};

/* Takes a field. False: what is there is none, and the head is over. */
MUST_USE bool head_next(struct span *in, struct head_field *field_r);

/* What a field has to do with -t. */
enum head_role {
	HEAD_OTHER,
	HEAD_TO, /* To: and Cc: */
	HEAD_BCC,
	HEAD_RESENT_TO,
	HEAD_RESENT_BCC,
};
enum head_role head_role(struct span name);

/* Takes an address in its canonical form. False: no more are wanted. */
typedef bool head_address_fn(struct span address, void *arg);

/*
 * Calls `fn` for each address of a field's value, or of a command line's word.
 * `scratch` has twice its length and 64 bytes. Returns how many were none.
 */
size_t head_addresses(struct span value, char *scratch, size_t max,
    head_address_fn *fn, void *arg);

#endif
