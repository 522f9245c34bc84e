#include "smtp/params.h"

#include "dict/dict.h"
#include "mail/maps.h"
#include "net/hosts.h"
#include "service/dns.h"
#include "service/service.h"
#include "smtp/policy.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HOSTS_FILE_MAX = 1 << 20,
};

struct params params;

static struct maps passwords;

/* A parameter by its two names, of smtp and of lmtp. */
struct row {
	const char *name[2];
	enum conf_type type;
	size_t offset;
};

#define EACH(type, member, smtp, lmtp) \
	{ \
		{ (smtp), (lmtp) }, (type), offsetof(struct params, member) \
	}
#define SAME(type, member, name) EACH(type, member, name, name)

static const struct row rows[] = {
	SAME(CONF_STR, hosts.myhostname, "myhostname"),
	SAME(CONF_LIST, hosts.known_ports, "known_tcp_ports"),
	SAME(CONF_LIST, protocols, "inet_protocols"),
	SAME(CONF_STR, delimiters, "recipient_delimiter"),
	SAME(CONF_STR, relayhost, "relayhost"),
	SAME(CONF_LIST, interfaces, "inet_interfaces"),
	SAME(CONF_BOOL, no_conversion, "disable_mime_output_conversion"),
	EACH(CONF_STR, helo_name, "smtp_helo_name", "lmtp_lhlo_name"),
	EACH(CONF_TIME, helo_timeout, "smtp_helo_timeout", "lmtp_lhlo_timeout"),
	EACH(CONF_LIST, discard_words, "smtp_discard_ehlo_keywords",
	    "lmtp_discard_lhlo_keywords"),
	EACH(CONF_LIST, fallback, "smtp_fallback_relay", "lmtp_fallback_relay"),
	EACH(CONF_STR, host_lookup, "smtp_host_lookup", "lmtp_host_lookup"),
	EACH(CONF_STR, tcp_port, "smtp_tcp_port", "lmtp_tcp_port"),
	EACH(CONF_STR, ca_file, "smtp_tls_CAfile", "lmtp_tls_CAfile"),
	EACH(CONF_STR, ca_path, "smtp_tls_CApath", "lmtp_tls_CApath"),
	EACH(CONF_STR, bind_address, "smtp_bind_address", "lmtp_bind_address"),
	EACH(CONF_STR, bind_address6, "smtp_bind_address6",
	    "lmtp_bind_address6"),
	EACH(CONF_TIME, dial.timeout, "smtp_connect_timeout",
	    "lmtp_connect_timeout"),
	EACH(CONF_TIME, mail_timeout, "smtp_mail_timeout", "lmtp_mail_timeout"),
	EACH(CONF_TIME, rcpt_timeout, "smtp_rcpt_timeout", "lmtp_rcpt_timeout"),
	EACH(CONF_TIME, data_init_timeout, "smtp_data_init_timeout",
	    "lmtp_data_init_timeout"),
	EACH(CONF_TIME, data_xfer_timeout, "smtp_data_xfer_timeout",
	    "lmtp_data_xfer_timeout"),
	EACH(CONF_TIME, data_done_timeout, "smtp_data_done_timeout",
	    "lmtp_data_done_timeout"),
	EACH(CONF_TIME, rset_timeout, "smtp_rset_timeout", "lmtp_rset_timeout"),
	EACH(CONF_TIME, quit_timeout, "smtp_quit_timeout", "lmtp_quit_timeout"),
	EACH(CONF_INT, mx_address_limit, "smtp_mx_address_limit",
	    "lmtp_mx_address_limit"),
	EACH(CONF_INT, mx_session_limit, "smtp_mx_session_limit",
	    "lmtp_mx_session_limit"),
	EACH(CONF_INT, line_limit, "smtp_line_length_limit",
	    "lmtp_line_length_limit"),
	EACH(CONF_BOOL, hosts.randomize, "smtp_randomize_addresses",
	    "lmtp_randomize_addresses"),
	EACH(CONF_BOOL, skip_5xx_greeting, "smtp_skip_5xx_greeting",
	    "lmtp_skip_5xx_greeting"),
	EACH(CONF_BOOL, xforward, "smtp_send_xforward_command",
	    "lmtp_send_xforward_command"),
	EACH(CONF_TIME, xforward_timeout, "smtp_xforward_timeout",
	    "lmtp_xforward_timeout"),
	EACH(CONF_BOOL, cache_on_demand, "smtp_connection_cache_on_demand",
	    "lmtp_connection_cache_on_demand"),
	EACH(CONF_TIME, cache_time, "smtp_connection_cache_time_limit",
	    "lmtp_connection_cache_time_limit"),
	EACH(CONF_TIME, reuse_time, "smtp_connection_reuse_time_limit",
	    "lmtp_connection_reuse_time_limit"),
	EACH(CONF_INT, reuse_count, "smtp_connection_reuse_count_limit",
	    "lmtp_connection_reuse_count_limit"),
	EACH(CONF_BOOL, sasl_enable, "smtp_sasl_auth_enable",
	    "lmtp_sasl_auth_enable"),
	EACH(CONF_BOOL, sasl_by_sender, "smtp_sender_dependent_authentication",
	    "lmtp_sender_dependent_authentication"),
	EACH(CONF_BOOL, sasl_soft, "smtp_sasl_auth_soft_bounce",
	    "lmtp_sasl_auth_soft_bounce"),
	EACH(CONF_STR, sasl_delimiter, "smtp_sasl_password_result_delimiter",
	    "lmtp_sasl_password_result_delimiter"),
	EACH(CONF_LIST, sasl_options, "smtp_sasl_security_options",
	    "lmtp_sasl_security_options"),
	EACH(CONF_LIST, sasl_tls_options, "smtp_sasl_tls_security_options",
	    "lmtp_sasl_tls_security_options"),
};

static const char *
name_of(const char *smtp, const char *lmtp)
{
	return params.lmtp ? lmtp : smtp;
}

static int
read_rows(const struct conf *c, struct why *why)
{
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(rows) && !err; i++) {
		struct conf_field f = { rows[i].name[params.lmtp], rows[i].type,
			rows[i].offset };

		err = conf_get_struct(c, &f, 1, &params, why);
	}
	return err;
}

static void
find_discarded(void)
{
	struct span rest = span_str(params.discard_words), word;

	while (conf_list_next(&rest, &word))
		params.discard |= session_feature(word);
}

static void
find_families(void)
{
	bool all = conf_list_has(params.protocols, "all");

	if (all || conf_list_has(params.protocols, "ipv4"))
		params.hosts.families |= DNS_IPV4;
	if (all || conf_list_has(params.protocols, "ipv6"))
		params.hosts.families |= DNS_IPV6;
}

static void
add_own(const struct addr *a)
{
	struct addr *more;

	if (addr_bits(a) == 0)
		return;
	more = reallocarray(params.hosts.own, params.hosts.own_n + 1,
	    sizeof(*more));
	if (!more)
		die("out of memory");
	params.hosts.own = more;
	params.hosts.own[params.hosts.own_n++] = *a;
}

static void
add_interfaces(void)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct addr a;

		if (i->ifa_addr && addr_from_sockaddr(i->ifa_addr, &a))
			add_own(&a);
	}
	freeifaddrs(all);
}

/* What mail must not be sent to: a loop. */
static void
find_own(void)
{
	struct span rest = span_str(params.interfaces), word;
	struct addr a;

	if (conf_list_has(params.interfaces, "all") ||
	    conf_list_has(params.interfaces, "loopback-only"))
		add_interfaces();
	while (conf_list_next(&rest, &word))
		if (addr_parse(word, &a))
			add_own(&a);
}

static int
parse_bind(const struct conf *c, const char *name, const char *text, int family,
    struct addr *a_r, struct why *why)
{
	*a_r = (struct addr){ .family = AF_UNSPEC };
	if (!*text ||
	    (addr_parse(span_str(text), a_r) && a_r->family == family))
		return 0;
	return conf_complain(c, name, EINVAL,
	    family == AF_INET ? "allowed is an address of IPv4"
			      : "allowed is an address of IPv6",
	    why);
}

static int
find_ports(const struct conf *c, struct why *why)
{
	if (port_find("/etc/services", span_str(params.hosts.known_ports),
		span_str(params.tcp_port), &params.hosts.port))
		return 0;
	return conf_complain(c, name_of("smtp_tcp_port", "lmtp_tcp_port"),
	    EINVAL, "there is no such port", why);
}

/* Later there are no files; what changes in it starts new workers. */
static int
read_hosts_file(struct why *why)
{
	static const char path[] = "/etc/hosts";
	char *text = zalloc(HOSTS_FILE_MAX);
	FILE *f;

	service_watch(path);
	f = fopen(path, "re");
	if (!f) {
		int err = errno;

		free(text);
		return why_set(why, err, path, 0, "%s", strerror(err));
	}
	params.hosts.file.p = text;
	params.hosts.file.n = fread(text, 1, HOSTS_FILE_MAX, f);
	fclose(f);
	return 0;
}

static int
find_host_lookup(const struct conf *c, struct why *why)
{
	struct span rest = span_str(params.host_lookup), word;

	while (conf_list_next(&rest, &word))
		if (span_ieq(word, SPAN("dns")))
			params.hosts.by_dns = true;
		else if (span_ieq(word, SPAN("native")))
			params.hosts.by_file = true;
		else
			return conf_complain(c,
			    name_of("smtp_host_lookup", "lmtp_host_lookup"),
			    EINVAL, "allowed are dns and native", why);
	return params.hosts.by_file ? read_hosts_file(why) : 0;
}

int
params_open(const struct conf *c, bool lmtp, struct why *why)
{
	int err;

	params.lmtp = params.hosts.lmtp = lmtp;
	params.hosts.services =
	    "/nonexistent"; /* as there are no files later */
	err = read_rows(c, why);
	if (!err)
		err = find_ports(c, why);
	if (!err)
		err = find_host_lookup(c, why);
	if (!err)
		err = parse_bind(c,
		    name_of("smtp_bind_address", "lmtp_bind_address"),
		    params.bind_address, AF_INET, &params.dial.bind4, why);
	if (!err)
		err = parse_bind(c,
		    name_of("smtp_bind_address6", "lmtp_bind_address6"),
		    params.bind_address6, AF_INET6, &params.dial.bind6, why);
	if (err)
		return err;
	find_discarded();
	find_families();
	find_own();
	if (params.sasl_enable)
		err = maps_open(c,
		    name_of("smtp_sasl_password_maps",
			"lmtp_sasl_password_maps"),
		    &passwords, why);
	if (!err)
		err = policy_open(c, lmtp, why);
	if (!err)
		err = service_tls_open_client(c, name_of("smtp", "lmtp"),
		    &(struct service_tls_client){ params.ca_file,
			params.ca_path, policy_has_tables() },
		    &params.tls, why);
	return err;
}

static enum dict_result
find_password(struct span key, struct arena *a, struct span *value_r,
    struct why *why)
{
	for (size_t i = 0; i < passwords.n; i++) {
		enum dict_result r = dict_get(passwords.v[i], key, a, value_r,
		    why);

		if (r != DICT_ABSENT)
			return r;
	}
	return DICT_ABSENT;
}

static enum dict_result
find_by_sender(struct span sender, struct arena *a, struct span *value_r,
    struct why *why)
{
	const struct maps_form form = {
		.kind = KEYS_ADDRESS,
		.delimiters = span_str(params.delimiters),
	};

	if (!params.sasl_by_sender || sender.n == 0)
		return DICT_ABSENT;
	return maps_find(&passwords, &form, sender, a, value_r, NULL, why);
}

enum dict_result
params_credentials(const struct params_peer *peer, struct arena *a,
    struct span *user_r, struct span *password_r, struct why *why)
{
	struct span value;
	enum dict_result r;

	if (!params.sasl_enable || !*params.sasl_delimiter)
		return DICT_ABSENT;
	r = find_by_sender(peer->sender, a, &value, why);
	if (r == DICT_ABSENT)
		r = find_password(peer->host, a, &value, why);
	if (r == DICT_ABSENT)
		r = find_password(peer->nexthop, a, &value, why);
	if (r != DICT_FOUND)
		return r;
	*user_r = span_cut(&value, *params.sasl_delimiter);
	*password_r = value;
	return DICT_FOUND;
}
