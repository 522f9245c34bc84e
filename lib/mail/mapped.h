/*
 * mapped.h - what the value of a table makes of an address: one word of it, for
 * aliases and canonical tables alike. Plain.
 */
#ifndef MAIL_MAPPED_H
#define MAIL_MAPPED_H

#include "base/arena.h"

/* Takes the next word of a value: split at commas and blanks in no quotes. */
MUST_USE bool mapped_take(struct span *rest, struct span *word_r);

/*
 * The address that `word` makes of `addr`: "@domain" keeps the user. Where the
 * key that was found was not `whole`, as it lacked the extension, the extension
 * goes along if `delimiters` are not empty. False: the word is no address, or the
 * arena is full.
 */
MUST_USE bool mapped_address(struct span addr, struct span word, bool whole,
    struct span delimiters, struct arena *a, struct span *addr_r);

/*
 * user + extension + "@" + domain in the arena; without a domain the user alone.
 * False: it is full.
 */
MUST_USE bool mapped_join(struct arena *a, struct span user,
    struct span extension, struct span domain, struct span *addr_r);

/* "+ext" of a local part, delimiter and all; empty if it has none. */
struct span mapped_extension(struct span local, struct span delimiters);

#endif
