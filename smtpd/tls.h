/*
 * tls.h - the TLS of this service, made of its parameters.
 */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include "conf/conf.h"
#include "smtpd/backend.h"

struct smtpd_tls {
	struct backend_tls backend;
	bool offered; /* STARTTLS */
	bool required;
	bool broken; /* there is no certificate */
	bool received_header;
};

/* Reads keys and certificates. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int smtpd_tls_open(const struct conf *c, struct smtpd_tls *tls_r,
    struct why *why);

#endif
