/*
 * out.h - IMAP's words on their way out, piece by piece.
 *
 * What is written goes to a function, so that no answer has to fit anywhere:
 * a structure of thousands of parts leaves as it is made. Strings are quoted
 * where that is allowed, and literals else (RFC 3501, 4.3).
 */
#ifndef IMAPD_FORMAT_OUT_H
#define IMAPD_FORMAT_OUT_H

#include "base/buf.h"
#include "imapd/parse/command.h"

enum {
	OUT_QUOTED_MAX = 1024, /* a longer string is a literal */
};

/* Takes a piece; who fails notes it, and takes all that follows for nothing. */
typedef void out_fn(struct span piece, void *arg);

struct out {
	out_fn *put;
	void *arg;
};

/* For ->put: ->arg is a struct buf. */
void out_to_buf(struct span piece, void *arg);

void out_put(struct out *o, struct span text);
void out_number(struct out *o, uint64_t n);

/* string; a NUL, which may not be sent, becomes 0x80. */
void out_string(struct out *o, struct span s);

/* nstring: NIL where ->p is NULL. */
void out_nstring(struct out *o, struct span s);

/* astring, as short as it can be: the name of a mailbox. */
void out_astring(struct out *o, struct span s);

/* "(\Seen \Recent $Label)": the system flags, and keywords that have a name. */
void out_flags(struct out *o, unsigned system, bool recent,
    const struct span *keywords, size_t keywords_n);

/* date-time, in UTC: "17-Jul-1996 02:44:25 +0000" with its quotes. */
void out_date_time(struct out *o, int64_t seconds);

/* How an item of FETCH is called in the answer: BODY[1.MIME]<0>. */
void out_fetch_name(struct out *o, const struct imap_fetch *item);

#endif
