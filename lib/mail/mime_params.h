/*
 * mime_params.h - the structured fields of MIME, as lenient as mail needs it.
 *
 * RFC 2045, 5.1, with the continuations of RFC 2231: what is spread over
 * name*0, name*1* and so on comes out as one, "name" if all of it is plain, and
 * "name*" if a piece is encoded, where plain pieces get encoded too. It is not
 * decoded further. Comments are skipped; what cannot be read up to the next
 * semicolon is left out.
 */
#ifndef MAIL_MIME_PARAMS_H
#define MAIL_MIME_PARAMS_H

#include "base/arena.h"

enum {
	MIME_PARAMS_MAX = 128, /* of one field; more are left out */
};

struct mime_param {
	struct mime_param *next;
	struct span name;
	struct span value;
};

/*
 * *(";" parameter): returns the list in its order, in the arena, as far as that
 * has room; names keep their case.
 */
struct mime_param *mime_params(struct span in, struct arena *arena);

/* Returns the value of a parameter, the name in any case; ->p NULL: none. */
struct span mime_param_find(const struct mime_param *list, struct span name);

/*
 * token: letters, digits and all but controls, blanks, 8-bit and tspecials.
 * Blanks and comments before it are skipped. False: there is none.
 */
MUST_USE bool mime_take_token(struct span *in, struct span *token_r);

/* Skips blanks, ends of lines and comments, which nest. */
void mime_skip_cfws(struct span *in);

/* 1#( token / quoted ) with commas, as Content-Language has them. */
struct mime_param *mime_list(struct span in, struct arena *arena);

#endif
