/*
 * private.h - the commands of a session; private to smtp.
 */
#ifndef SMTP_PRIVATE_H
#define SMTP_PRIVATE_H

#include "smtp/session.h"

/* They put a whole line, with what the server offers. */
void command_mail(struct buf *out, const struct smtp_mail *m,
    unsigned features);
void command_rcpt(struct buf *out, const struct smtp_rcpt *r,
    unsigned features);

/* AUTH PLAIN with its initial response (RFC 4616). */
void command_plain(struct buf *out, struct span user, struct span password);

#endif
