/*
 * search_file.h - the file of a message, for who has to look into it. Private to
 * imapd/mailbox.
 *
 * Of the file as little is read as the program needs: of one that asks for
 * fields, only the head. What fits into one piece is read once.
 */
#ifndef IMAPD_MAILBOX_SEARCH_FILE_H
#define IMAPD_MAILBOX_SEARCH_FILE_H

#include "imapd/mailbox/match.h"

enum {
	SEARCH_PIECE = 64 << 10,
};

/*
 * Goes on where match_begin() did not know. `piece` has SEARCH_PIECE bytes.
 * ABSENT: the message is gone. BUSY, unless `may_wait`: to find it, a lock is
 * needed. Blocks.
 */
MUST_USE enum store_result search_file(struct mbox *mbox, struct match *m,
    uint32_t uid, bool may_wait, char *piece, enum match_answer *answer_r);

#endif
