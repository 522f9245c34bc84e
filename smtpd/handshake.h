/*
 * handshake.h - the change of a connection to TLS, and what is logged of it.
 */
#ifndef SMTPD_HANDSHAKE_H
#define SMTPD_HANDSHAKE_H

#include "mail/maillog.h"
#include "net/stream.h"
#include "smtpd/backend.h"

/*
 * Goes over to TLS; sends what ->out holds before. False: the connection is of
 * no further use, which was logged. May sleep.
 */
MUST_USE bool handshake(struct stream *s, const struct backend_tls *tls,
    const struct log_client *client, struct tls_facts *facts_r);

#endif
