#include "smtpd/params.h"

#include "conf/params.h"

#include "net/hosts.h"
#include "smtpd/hints.h"
#include "smtpd/restrictions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MECHS_MAX = 64,
};

struct params params;
struct resources resources;

#define ROW(type, member, name) CONF_FIELD_AS(type, struct params, member, name)

const struct conf_field params_fields[] = {
	CONF_FIELD(CONF_STR, struct params, myhostname),
	CONF_FIELD(CONF_STR, struct params, myorigin),
	CONF_FIELD(CONF_STR, struct params, mail_name),
	CONF_FIELD(CONF_STR, struct params, smtpd_banner),
	CONF_FIELD(CONF_STR, struct params, recipient_delimiter),
	ROW(CONF_STR, null_key, "smtpd_null_access_lookup_key"),
	ROW(CONF_LIST, content_filter, "content_filter"),
	ROW(CONF_LIST, discard_ehlo, "smtpd_discard_ehlo_keywords"),
	ROW(CONF_LIST, parents, "parent_domain_matches_subdomains"),
	ROW(CONF_LIST, classes, "smtpd_restriction_classes"),
	ROW(CONF_BOOL, helo_required, "smtpd_helo_required"),
	ROW(CONF_BOOL, disable_vrfy, "disable_vrfy_command"),
	ROW(CONF_BOOL, strict_envelopes, "strict_rfc821_envelopes"),
	ROW(CONF_BOOL, delay_reject, "smtpd_delay_reject"),
	ROW(CONF_BOOL, peername_lookup, "smtpd_peername_lookup"),
	ROW(CONF_BOOL, unlisted_rcpt, "smtpd_reject_unlisted_recipient"),
	ROW(CONF_BOOL, unlisted_sender, "smtpd_reject_unlisted_sender"),
	ROW(CONF_BOOL, long_ids, "enable_long_queue_ids"),
	ROW(CONF_BOOL, sasl_enable, "smtpd_sasl_auth_enable"),
	ROW(CONF_BOOL, sasl_header, "smtpd_sasl_authenticated_header"),
	ROW(CONF_BOOL, sasl_old_form, "broken_sasl_auth_clients"),
	ROW(CONF_BOOL, sasl_tls_only, "smtpd_tls_auth_only"),
	ROW(CONF_BOOL, tls_received, "smtpd_tls_received_header"),
	ROW(CONF_LIST, sasl_filter, "smtpd_sasl_mechanism_filter"),
	ROW(CONF_LIST, sasl_options, "smtpd_sasl_security_options"),
	ROW(CONF_LIST, sasl_tls_options, "smtpd_sasl_tls_security_options"),
	ROW(CONF_STR, sasl_service, "smtpd_sasl_service"),
	ROW(CONF_INT, sasl_limit, "smtpd_sasl_response_limit"),
	ROW(CONF_ENUM, bare_lf, "smtpd_forbid_bare_newline"),
	ROW(CONF_INT, bare_lf_code, "smtpd_forbid_bare_newline_reject_code"),
	ROW(CONF_SIZE, size_limit, "message_size_limit"),
	ROW(CONF_SIZE, queue_minfree, "queue_minfree"),
	ROW(CONF_INT, hopcount_limit, "hopcount_limit"),
	ROW(CONF_INT, soft_errors, "smtpd_soft_error_limit"),
	ROW(CONF_INT, hard_errors, "smtpd_hard_error_limit"),
	ROW(CONF_INT, junk_commands, "smtpd_junk_command_limit"),
	ROW(CONF_INT, rcpt_limit, "smtpd_recipient_limit"),
	ROW(CONF_INT, rcpt_overshoot, "smtpd_recipient_overshoot_limit"),
	ROW(CONF_INT, client_count, "smtpd_client_connection_count_limit"),
	ROW(CONF_INT, line_limit, "line_length_limit"),
	ROW(CONF_TIME, timeout, "smtpd_timeout"),
	ROW(CONF_TIME, error_sleep, "smtpd_error_sleep_time"),
};
const size_t params_fields_n = COUNT_OF(params_fields);

unsigned
params_keywords(struct span list)
{
	static const struct {
		const char *word;
		unsigned bit;
	} rows[] = {
		{ "pipelining", SMTPD_EHLO_PIPELINING },
		{ "size", SMTPD_EHLO_SIZE },
		{ "vrfy", SMTPD_EHLO_VRFY },
		{ "enhancedstatuscodes", SMTPD_EHLO_ENHANCED },
		{ "8bitmime", SMTPD_EHLO_8BITMIME },
		{ "starttls", SMTPD_EHLO_STARTTLS },
		{ "auth", SMTPD_EHLO_AUTH },
		{ "dsn", SMTPD_EHLO_DSN },
	};
	unsigned bits = 0;
	struct span word;

	while (conf_list_next(&list, &word))
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			if (span_ieq(word, span_str(rows[i].word)))
				bits |= rows[i].bit;
	return bits;
}

static unsigned
offered(void)
{
	unsigned bits = ~params_keywords(span_str(params.discard_ehlo));

	if (!resources.tls.offered)
		bits &= ~(unsigned)SMTPD_EHLO_STARTTLS;
	if (params.disable_vrfy)
		bits &= ~(unsigned)SMTPD_EHLO_VRFY;
	return bits;
}

static bool
is_forbidden(struct span word)
{
	struct why ignored;

	return lists_has_name(resources.forbidden, word, &ignored) ==
	    DICT_FOUND;
}

static bool
is_noop(struct span word)
{
	struct why ignored;

	return lists_has_name(resources.noop, word, &ignored) == DICT_FOUND;
}

static int
open_list(const struct conf *c, const char *name, unsigned flags,
    struct lists **list_r, struct why *why)
{
	const char *file = NULL, *text = conf_get(c, name, why);
	unsigned line = 0;
	struct why open_why;
	size_t number;

	if (!text)
		return -EINVAL;
	conf_source(c, name, &file, &line);
	*list_r = lists_open(text, flags, &open_why);
	if (!*list_r)
		return why_set(why, EINVAL, file, line, "%s: %s", name,
		    open_why.text);
	must(param_number(name, &number));
	if (!lists_may_wait(*list_r) || !lists_set_origin(*list_r, number))
		return why_set(why, EINVAL, file, line,
		    "%s: names a table that waits for a server or a disk in a "
		    "file; allowed is that in the parameter itself",
		    name);
	return 0;
}

static int
open_lists(const struct conf *c, struct why *why)
{
	static const struct {
		const char *name;
		unsigned flags;
		struct lists **list;
	} rows[] = {
		{ "mynetworks", LISTS_ADDRS | LISTS_NAMES,
		    &resources.mynetworks },
		{ "smtpd_client_event_limit_exceptions",
		    LISTS_ADDRS | LISTS_NAMES, &resources.limit_exceptions },
		{ "smtpd_forbid_bare_newline_exclusions",
		    LISTS_ADDRS | LISTS_NAMES, &resources.bare_lf_exceptions },
		{ "smtpd_forbidden_commands", LISTS_NAMES,
		    &resources.forbidden },
		{ "smtpd_noop_commands", LISTS_NAMES, &resources.noop },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int error = open_list(c, rows[i].name, rows[i].flags,
		    rows[i].list, why);

		if (error < 0)
			return error;
	}
	return 0;
}

/* The names of our own addresses, before the files are out of sight. */
static void
read_hosts(void)
{
	static const char *const addrs[2] = { "127.0.0.1", "::1" };
	struct addr a;

	for (int i = 0; i < 2; i++)
		if (!addr_parse(span_str(addrs[i]), &a) ||
		    !hosts_name("/etc/hosts", &a, resources.loopback_name[i]))
			snprintf(resources.loopback_name[i],
			    sizeof(resources.loopback_name[i]), "localhost");
}

/*
 * What remains of the mechanisms: all of authd's show the password, so that
 * noplaintext leaves none.
 */
static const char *
offered_mechs(const struct lists *filter, const char *options,
    char text[MECHS_MAX])
{
	static const char *const all[] = { "PLAIN", "LOGIN" };
	struct why ignored;
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (!conf_list_has(options, "noplaintext") &&
		    lists_has_name(filter, span_str(all[i]), &ignored) ==
			DICT_FOUND)
			n += (size_t)snprintf(text + n, MECHS_MAX - n, "%s%s",
			    n ? " " : "", all[i]);
	return text;
}

static int
set_auth(const struct conf *c, struct why *why)
{
	static char clear[MECHS_MAX], tls[MECHS_MAX];
	struct smtpd_config *config = &resources.config;
	struct lists *filter;

	if (open_list(c, "smtpd_sasl_mechanism_filter", LISTS_NAMES, &filter,
		why) < 0)
		return -EINVAL;
	config->auth = params.sasl_enable;
	config->auth_tls_only = params.sasl_tls_only;
	config->auth_old_form = params.sasl_old_form;
	config->auth_limit = params.sasl_limit;
	config->auth_mechs = offered_mechs(filter, params.sasl_options, clear);
	config->auth_tls_mechs = offered_mechs(filter, params.sasl_tls_options,
	    tls);
	lists_close(filter);
	return 0;
}

static void
set_config(void)
{
	struct smtpd_config *c = &resources.config;

	c->myhostname = params.myhostname;
	c->banner = params.smtpd_banner;
	c->size_limit = (uint64_t)params.size_limit;
	c->soft_errors = params.soft_errors;
	c->hard_errors = params.hard_errors;
	c->junk_commands = params.junk_commands;
	c->rcpt_limit = params.rcpt_limit;
	c->rcpt_overshoot = params.rcpt_overshoot;
	c->bare_lf_code = params.bare_lf_code;
	c->helo_required = params.helo_required;
	c->vrfy_disabled = params.disable_vrfy;
	c->strict_envelopes = params.strict_envelopes;
	c->delay_reject = params.delay_reject;
	c->ehlo = offered();
	c->tls_required = resources.tls.required;
	c->tls_broken = resources.tls.broken;
	c->is_forbidden = is_forbidden;
	c->is_noop = is_noop;
	resources.access_parents = conf_list_has(params.parents,
	    "smtpd_access_maps");
}

int
params_open_rules(const struct conf *c, struct why *why)
{
	set_config();
	if (set_auth(c, why) < 0 || open_lists(c, why) < 0 ||
	    restrictions_open(c, why) < 0 || hints_open(c, why) < 0)
		return -EINVAL;
	if (maps_open(c, "smtpd_sender_login_maps", &resources.sender_logins,
		why) < 0)
		return -EINVAL;
	resources.routing = routing_open(c, why);
	if (!resources.routing)
		return -EINVAL;
	resources.rewrite = rewrite_open(c, why);
	if (!resources.rewrite)
		return -EINVAL;
	read_hosts();
	return 0;
}

int
params_open(const struct conf *c, struct why *why)
{
	if (service_tls_open(c, "smtpd", "smtp", &resources.tls, why) < 0)
		return -EINVAL;
	resources.backend_tls = (struct backend_tls){
		.context = resources.tls.context,
		.from_start = resources.tls.from_start,
		.log_level = resources.tls.log_level,
		.timeout = resources.tls.timeout,
	};
	if (params_open_rules(c, why) < 0)
		return -EINVAL;
	if (maps_open(c, "smtpd_discard_ehlo_keyword_address_maps",
		&resources.discard_ehlo, why) < 0)
		return -EINVAL;
	resources.complete = complete_open(c, why);
	if (!resources.complete)
		return -EINVAL;
	resources.intake = (struct intake_conf){
		.queue = resources.queue,
		.routing = resources.routing,
		.rewrite = resources.rewrite,
		.myhostname = params.myhostname,
		.myorigin = params.myorigin,
	};
	return 0;
}
