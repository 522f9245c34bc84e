/*
 * params.h - what smtpd reads of main.cf, and the tables it opens; made once, in
 * warm_up(), and only read after.
 */
#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H

#include "access/access.h"
#include "conf/conf.h"
#include "dict/lists.h"
#include "mail/maps.h"
#include "mail/routing.h"
#include "queue/intake.h"
#include "service/tls.h"
#include "smtpd/backend.h"
#include "smtpd/complete.h"

struct params {
	const char *myhostname;
	const char *myorigin;
	const char *mail_name;
	const char *smtpd_banner;
	const char *recipient_delimiter;
	const char *null_key;
	const char *discard_ehlo;
	const char *parents;
	const char *content_filter;
	const char *classes;
	bool helo_required;
	bool disable_vrfy;
	bool strict_envelopes;
	bool delay_reject;
	bool peername_lookup;
	bool unlisted_rcpt;
	bool unlisted_sender;
	bool long_ids;
	bool sasl_enable;
	bool sasl_header;
	bool sasl_old_form;
	bool sasl_tls_only;
	bool tls_received;
	const char *sasl_filter;
	const char *sasl_options;
	const char *sasl_tls_options;
	const char *sasl_service;
	int64_t sasl_limit;
	int bare_lf;
	int64_t bare_lf_code;
	int64_t size_limit;
	int64_t queue_minfree;
	int64_t hopcount_limit;
	int64_t soft_errors;
	int64_t hard_errors;
	int64_t junk_commands;
	int64_t rcpt_limit;
	int64_t rcpt_overshoot;
	int64_t client_count;
	int64_t line_limit;
	int64_t timeout;
	int64_t error_sleep;
};

extern struct params params;
extern const struct conf_field params_fields[];
extern const size_t params_fields_n;

/* All that is open. */
struct resources {
	struct smtpd_config config;
	struct access *access;
	struct dict **tables; /* of ->access */
	struct routing *routing;
	struct rewrite *rewrite;
	struct intake_conf intake;
	struct queue *queue;
	struct maps sender_logins;
	struct maps discard_ehlo; /* by the client's address */
	struct lists *mynetworks;
	struct lists *limit_exceptions;
	struct lists *bare_lf_exceptions;
	struct lists *forbidden;
	struct lists *noop;
	struct service_tls tls;
	struct backend_tls backend_tls;
	struct complete *complete;
	bool access_parents;
	char loopback_name[2][BACKEND_NAME_MAX]; /* of 127.0.0.1, ::1 */
};

extern struct resources resources;

/* The SMTPD_EHLO_... that a list of keywords names. Plain. */
unsigned params_keywords(struct span list);

/*
 * Opens what restrictions need, and no queue, key or file of a certificate;
 * ->tls is set before. Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int params_open_rules(const struct conf *c, struct why *why);

/* Opens all. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int params_open(const struct conf *c, struct why *why);

#endif
