/*
 * search.h - SEARCH and UID SEARCH of a session (RFC 3501, 6.4.4).
 */
#ifndef IMAPD_MAILBOX_SEARCH_H
#define IMAPD_MAILBOX_SEARCH_H

#include "imapd/mailbox/imap.h"

/*
 * Answers "* SEARCH 2 84 882". What the view does not tell is looked for in the
 * files, a bounded time each offload, so that a session that is cancelled ends.
 * A message that is gone is not found. May sleep.
 */
MUST_USE enum imap_done imap_search(struct imap *s,
    const struct imap_command *c, const char **text_r);

#endif
