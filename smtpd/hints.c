#include "smtpd/hints.h"

#include "base/log.h"
#include "conf/compat.h"
#include "dict/lists.h"
#include "net/addr.h"

#include <errno.h>

static struct {
	struct compat networks, domains, restrictions;
	struct lists *host; /* the mynetworks of level 2; NULL: not of use */
} own;

#define HINT "using backwards-compatible default setting "

/* As it would be without the old default; nothing is asked of it but addresses. */
static int
open_host_networks(const struct conf *c, struct why *why)
{
	static const char *const newer[] = { "mynetworks_style=host" };
	struct conf *other = conf_load(conf_dir(c), newer, 1, why);
	const char *text = other ? conf_get(other, "mynetworks", why) : NULL;

	own.host = text ? lists_open(text, LISTS_ADDRS, why) : NULL;
	conf_free(other);
	return own.host ? 0 : -EINVAL;
}

int
hints_open(const struct conf *c, struct why *why)
{
	compat_open(&own.networks, c, "mynetworks_style");
	compat_open(&own.domains, c, "relay_domains");
	compat_open(&own.restrictions, c, "smtpd_relay_restrictions");
	return own.networks.value ? open_host_networks(c, why) : 0;
}

void
hints_network(const struct access_facts *facts)
{
	struct span client = facts->client_addr;
	struct why ignored;
	struct addr addr;

	if (!own.networks.value || !addr_parse(client, &addr) ||
	    lists_has_addr(own.host, &addr, &ignored) != DICT_ABSENT ||
	    !compat_is_news(&own.networks))
		return;
	log_info(HINT "mynetworks_style=%s to permit request from client "
		      "\"%.*s[%.*s]\"",
	    own.networks.value, (int)facts->client_name.n, facts->client_name.p,
	    (int)client.n, client.p);
}

void
hints_relay_domain(struct span domain)
{
	if (compat_is_news(&own.domains))
		log_info(HINT "relay_domains=$mydestination to accept mail for "
			      "domain \"%.*s\"",
		    (int)domain.n, domain.p);
}

bool
hints_wants_relay(const struct access_facts *facts)
{
	return own.restrictions.value && !own.restrictions.told &&
	    facts->rcpt.p && !facts->client_is_ours && !facts->authenticated;
}

void
hints_relay(const struct access_facts *facts)
{
	if (compat_is_news(&own.restrictions))
		log_info(HINT "\"smtpd_relay_restrictions = (empty)\" to avoid "
			      "\"Relay access denied\" error for recipient "
			      "\"%.*s\" from client \"%.*s[%.*s]\"",
		    (int)facts->rcpt.n, facts->rcpt.p,
		    (int)facts->client_name.n, facts->client_name.p,
		    (int)facts->client_addr.n, facts->client_addr.p);
}
