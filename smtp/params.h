/*
 * params.h - what main.cf says to smtp and lmtp: each parameter has two names.
 */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H

#include "conf/conf.h"
#include "dict/dict.h"
#include "net/addr.h"
#include "service/tls.h"
#include "smtp/dial.h"
#include "smtp/hosts.h"

struct params {
	bool lmtp;
	const char *helo_name;
	const char *relayhost;
	const char *fallback;
	const char *tcp_port;
	const char *protocols; /* inet_protocols */
	const char *interfaces;
	const char *delimiters;
	const char *host_lookup;
	const char *ca_file;
	const char *ca_path;
	const char *discard_words;
	const char *bind_address;
	const char *bind_address6;
	int64_t helo_timeout; /* milliseconds */
	int64_t mail_timeout;
	int64_t rcpt_timeout;
	int64_t data_init_timeout;
	int64_t data_xfer_timeout;
	int64_t data_done_timeout;
	int64_t rset_timeout;
	int64_t quit_timeout;
	int64_t mx_address_limit;
	int64_t mx_session_limit;
	int64_t line_limit;
	bool skip_5xx_greeting;
	bool xforward;
	int64_t xforward_timeout;
	bool no_conversion; /* disable_mime_output_conversion */
	bool cache_on_demand;
	int64_t cache_time;
	int64_t reuse_time;
	int64_t reuse_count;
	bool sasl_enable;
	bool sasl_soft;
	bool sasl_by_sender;
	const char *sasl_delimiter;
	const char *sasl_options;
	const char *sasl_tls_options;

	/* Made of these. */
	unsigned discard; /* SMTP_HAS_... */
	struct hosts_conf hosts;
	struct dial dial;
	struct service_tls tls;
};

extern struct params params;

/* Reads all, opens tables and TLS's files. Returns 0 or -errno. Blocks. */
MUST_USE int params_open(const struct conf *c, bool lmtp, struct why *why);

/* Whom we log in to, and for whom. */
struct params_peer {
	struct span host; /* its name */
	struct span nexthop; /* as it was written */
	struct span sender;
};

/*
 * What we log in with at a server, of smtp_sasl_password_maps: by the sender, if
 * smtp_sender_dependent_authentication has it so, then by its name, then by the
 * next hop. Copies are in `a`. Tables behind proxymap may make it sleep.
 */
enum dict_result params_credentials(const struct params_peer *peer,
    struct arena *a, struct span *user_r, struct span *password_r,
    struct why *why);

#endif
