/*
 * fetch.h - FETCH and UID FETCH of a session (RFC 3501, 6.4.5).
 *
 * What the view tells is written as it lies there. All else is read a batch at a
 * time (batch.h), \Seen being set for a batch before it is sent, with FLAGS in
 * the same answer. No command holds a whole message, but short ones. Messages
 * that are gone are left out, and then it is NO [EXPUNGEISSUED] (RFC 5530).
 *
 * A literal has the size that was told, or the connection ends: if a file is
 * changed while it is sent, which no Maildir allows, nothing else is right.
 */
#ifndef IMAPD_MAILBOX_FETCH_H
#define IMAPD_MAILBOX_FETCH_H

#include "imapd/mailbox/imap.h"

/* `seqs` are numbers of the view. May sleep. */
MUST_USE enum imap_done imap_fetch(struct imap *s, const struct imap_command *c,
    const struct uidset *seqs, const char **text_r);

#endif
