/*
 * token.h - the words of IMAP's grammar (RFC 3501, section 9).
 *
 * Each takes a production from the front of *in; if it is not there, it returns
 * false and leaves all as it was. Spans point into the input. A literal stands
 * in it as the frame has left it: "{3}" CRLF "abc".
 */
#ifndef IMAPD_PARSE_TOKEN_H
#define IMAPD_PARSE_TOKEN_H

#include "base/arena.h"

/* 1*<any ASTRING-CHAR except "+"> */
MUST_USE bool imap_take_tag(struct span *in, struct span *tag_r);

/* 1*ATOM-CHAR */
MUST_USE bool imap_take_atom(struct span *in, struct span *atom_r);

/* flag = "\" atom / atom, without "\*" and "\Recent" being told apart. */
MUST_USE bool imap_take_flag(struct span *in, struct span *flag_r);

/*
 * string = quoted / literal. What was quoted with backslashes is copied to the
 * arena; if that is full, this is no string and *full_r true.
 */
MUST_USE bool imap_take_string(struct span *in, struct arena *arena,
    struct span *string_r, bool *full_r);

/* astring = 1*ASTRING-CHAR / string */
MUST_USE bool imap_take_astring(struct span *in, struct arena *arena,
    struct span *string_r, bool *full_r);

/* list-mailbox = 1*list-char / string */
MUST_USE bool imap_take_pattern(struct span *in, struct arena *arena,
    struct span *string_r, bool *full_r);

/* number: 32 bits; nz-number: not 0, and no 0 in front. */
MUST_USE bool imap_take_number(struct span *in, uint32_t *n_r);
MUST_USE bool imap_take_nz_number(struct span *in, uint32_t *n_r);

/*
 * sequence-set, as text to be read again when it is known what "*" stands for:
 * at most `max` ranges. `$` is no set.
 */
MUST_USE bool imap_take_set(struct span *in, size_t max, struct span *set_r);

/*
 * date = date-text / DQUOTE date-text DQUOTE: 1-Feb-1994, as days since 1970.
 */
MUST_USE bool imap_take_date(struct span *in, int32_t *days_r);

/*
 * date-time: "17-Jul-1996 02:44:25 -0700" in its quotes, as seconds since 1970.
 */
MUST_USE bool imap_take_date_time(struct span *in, int64_t *seconds_r);

#endif
