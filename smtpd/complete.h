/*
 * complete.h - whose mail gets the header fields that it lacks: Date, From and
 * Message-ID (RFC 6409, section 8), by local_header_rewrite_clients.
 */
#ifndef SMTPD_COMPLETE_H
#define SMTPD_COMPLETE_H

#include "conf/conf.h"
#include "smtpd/backend.h"

struct complete;

/* NULL with `why`. Blocks. */
struct complete *complete_open(const struct conf *c, struct why *why);

/* Whether mail of this client, logged in or not, is completed. Plain. */
bool complete_has(const struct complete *c, const struct backend_client *client,
    bool logged_in);

#endif
