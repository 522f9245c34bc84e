/*
 * tls.h - the TLS of a service that listens, or of one that connects, made of its
 * parameters.
 *
 * All have the same names behind that of their program: smtpd_tls_chain_files,
 * imapd_tls_chain_files. What a program lacks in the table of parameters it does
 * without.
 */
#ifndef SERVICE_TLS_H
#define SERVICE_TLS_H

#include "conf/conf.h"
#include "net/tls.h"

struct service_tls {
	struct tls *context; /* NULL: not at all */
	bool from_start; /* ..._tls_wrappermode */
	bool offered; /* STARTTLS */
	bool required;
	bool broken; /* there is no certificate */
	int64_t log_level; /* ..._tls_loglevel */
	int64_t timeout; /* ..._starttls_timeout */
	struct tls
	    *may; /* contexts of a policy's levels; NULL: there is none */
	struct tls *encrypt;
};

/*
 * Reads keys and certificates for the program `prefix`, "smtpd"; `alpn` are its
 * protocols' names. Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int service_tls_open(const struct conf *c, const char *prefix,
    const char *alpn, struct service_tls *tls_r, struct why *why);

/*
 * The same, but reads no key and no certificate: there is no ->context. For who
 * only wants to know what is offered. Plain.
 */
MUST_USE int service_tls_read(const struct conf *c, const char *prefix,
    struct service_tls *tls_r, struct why *why);

/* Of who connects; texts may be empty. */
struct service_tls_client {
	const char *ca_file; /* whom to trust, and a folder of these */
	const char *ca_path;
	bool by_policy; /* tables decide: contexts are made at any level */
};

/*
 * The same for who connects, "smtp" or "lmtp": ->offered says that TLS is used if
 * the server has it. With ->by_policy, ->may and ->encrypt are there as well, which
 * differ by the ..._mandatory_ parameters. ->context is that of the level. Blocks.
 */
MUST_USE int service_tls_open_client(const struct conf *c, const char *prefix,
    const struct service_tls_client *client, struct service_tls *tls_r,
    struct why *why);

#endif
