/*
 * dovecot.h - what Dovecot left beside a Maildir. Private to lib/store.
 *
 * dovecot-uidlist, version 3 or 1, which begins with one of
 *
 *	3 V<uidvalidity> N<next uid> G<guid>
 *	1 <uidvalidity> <next uid>
 *
 * and has lines "UID [fields] :NAME" (3) or "UID NAME" (1) behind it; and
 * dovecot-keywords with lines "NUMBER KEYWORD", 0 for the letter a. Only read.
 * Foreign bytes. Plain, all of it.
 */
#ifndef STORE_DOVECOT_H
#define STORE_DOVECOT_H

#include "base/defs.h"
#include "base/span.h"

struct dovecot_list {
	unsigned version;
	uint32_t uidvalidity;
	uint32_t next;
};

/* Takes the first line. False: it is no such file. */
MUST_USE bool dovecot_take_head(struct span *text, struct dovecot_list *list_r);

/* Takes the next message; lines that make no sense are left out. False: no more.
 * ->n of the name is without ":2,...". */
MUST_USE bool dovecot_take_uid(struct span *text,
    const struct dovecot_list *list, uint32_t *uid_r, struct span *stem_r);

/* Takes the next keyword; its letter is 'a' + *n_r. False: no more. */
MUST_USE bool dovecot_take_keyword(struct span *text, unsigned *n_r,
    struct span *keyword_r);

#endif
