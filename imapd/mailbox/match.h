/*
 * match.h - whether one message is what a SEARCH asks for (RFC 3501, 6.4.4).
 *
 * A program is made of a command's tree once, and is then asked about message
 * after message. What the view tells decides first; if that is not enough, it
 * wants the head, and then the parts, of which it is fed as little as it needs:
 *
 *	answer = match_begin(m, &message);
 *	if (answer == MATCH_UNKNOWN)
 *		match_feed_head(m, ...) until false, match_end_head(m), answer
 *	if (answer == MATCH_UNKNOWN)
 *		for each part: match_begin_part_head() or match_begin_body(), ...
 *	answer = match_end(m);
 *
 * HOW TEXT IS COMPARED. Letters in either case are the same (fold.h), bodies are
 * looked at as they are meant, without transfer encoding and in UTF-8, header
 * fields with their encoded words decoded and their lines joined. As with Dovecot
 * BODY looks at the text/ and message/ parts, TEXT at these and all heads; a word
 * may not begin in one part and end in the next. A message without a usable Date
 * was sent on 1 January 1970. A CR is never compared.
 *
 * Bytes in, an answer out: no file and no clock. But text of other charsets is
 * converted by the C library, so what is fed may load a module. Memory is bounded,
 * whatever the message.
 */
#ifndef IMAPD_MAILBOX_MATCH_H
#define IMAPD_MAILBOX_MATCH_H

#include "imapd/parse/search.h"
#include "mail/mime.h"
#include "store/store.h"

enum match_answer {
	MATCH_NO,
	MATCH_YES,
	MATCH_UNKNOWN, /* more has to be known */
};

/* What "*" is, and the names of STORE_KEYWORDS keywords. */
struct match_view {
	uint32_t seq_max;
	uint32_t uid_max;
	const struct span *keywords;
};

struct match;

/*
 * Makes a program of a tree that outlives it; words in it are of `charset`, or
 * UTF-8 where that has a NULL ->p. NULL: such a charset is not known. Blocks.
 */
MUST_USE struct match *match_new(const struct imap_search *tree,
    struct span charset, const struct match_view *view);

/* NULL is fine, and is returned. */
struct match *match_free(struct match *m);

/* The next message, as the view has it. */
MUST_USE enum match_answer match_begin(struct match *m, uint32_t seq,
    const struct mbox_message *message, bool recent);

/*
 * Takes the next piece of the outermost head, which may go beyond its end; false:
 * the head is over. Blocks.
 */
MUST_USE bool match_feed_head(struct match *m, struct span piece);
MUST_USE enum match_answer match_end_head(struct match *m);

/*
 * Begins with the head of a part, which is not the outermost, or with the body
 * of a leaf. False: it need not be fed. Blocks.
 */
MUST_USE bool match_begin_part_head(struct match *m);
MUST_USE bool match_begin_body(struct match *m, const struct mime_part *part);

/* Takes a piece of what was begun, and its end. Blocks. */
void match_feed(struct match *m, struct span piece);
MUST_USE enum match_answer match_end_part(struct match *m);

/* All parts have been fed. Never MATCH_UNKNOWN. */
MUST_USE enum match_answer match_end(struct match *m);

/* The day of a Date field as it is written there, since 1970; 0: none. */
int32_t match_day_of(struct span field);

static inline void
match_freep(struct match **m)
{
	match_free(*m);
}

#endif
