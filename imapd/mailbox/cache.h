/*
 * cache.h - ENVELOPE and BODYSTRUCTURE as the store keeps them for a message.
 *
 * They are kept as the text that is sent, behind a byte that tells the version:
 * another one, or what is not well-formed, is as if nothing were kept.
 *
 *	envelope:  VERSION text
 *	structure: VERSION, 4 bytes: length of BODY, low one first; BODY, BODYSTRUCTURE
 *
 * Foreign bytes on the way in. Plain.
 */
#ifndef IMAPD_MAILBOX_CACHE_H
#define IMAPD_MAILBOX_CACHE_H

#include "imapd/format/structure.h"

/* Appends them; `scratch` as in structure.h. What does not fit: b->overflow. */
void cache_put_envelope(struct buf *b, const struct mime_part *root,
    char *scratch);
void cache_put_structure(struct buf *b, const struct mime_part *root,
    char *scratch);

/* The texts of what is kept. False: it cannot be used. */
MUST_USE bool cache_take_envelope(struct span kept, struct span *text_r);
MUST_USE bool cache_take_structure(struct span kept, struct span *body_r,
    struct span *structure_r);

#endif
