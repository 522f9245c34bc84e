#include "smtp/policy.h"

#include "base/log.h"
#include "base/scan.h"
#include "dict/keys.h"
#include "mail/maps.h"
#include "smtp/params.h"

enum {
	VALUE_MAX = 65536,
};

static struct maps tables;

int
policy_open(const struct conf *c, bool lmtp, struct why *why)
{
	return maps_open(c,
	    lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps", &tables,
	    why);
}

bool
policy_has_tables(void)
{
	return tables.n > 0;
}

static enum dict_result
find_key(struct span key, struct arena *a, struct span *value_r,
    struct why *why)
{
	for (size_t i = 0; i < tables.n; i++) {
		enum dict_result r = dict_get(tables.v[i], key, a, value_r,
		    why);

		if (r != DICT_ABSENT)
			return r;
	}
	return DICT_ABSENT;
}

/* "[host]:25" and "host:25" are no domains, and have no parents. */
static bool
is_domain(struct span nexthop)
{
	return !memchr(nexthop.p, '[', nexthop.n) &&
	    !memchr(nexthop.p, ':', nexthop.n);
}

static enum dict_result
find_value(struct span nexthop, struct arena *a, struct span *value_r,
    struct why *why)
{
	enum dict_result r = DICT_ABSENT;
	struct keys k;

	if (nexthop.n == 0 || nexthop.n > KEYS_TEXT_MAX)
		return DICT_ABSENT;
	if (!is_domain(nexthop))
		return find_key(nexthop, a, value_r, why);
	keys_host(&k, nexthop, false);
	while (r == DICT_ABSENT && keys_next(&k))
		r = find_key(k.key, a, value_r, why);
	return r;
}

static void
use_level(enum smtp_level level, struct policy *policy_r)
{
	/* Where TLS begins with the connection there is no less. */
	if (params.tls.from_start)
		level = SMTP_TLS_ENCRYPT;
	policy_r->level = level;
	policy_r->context = level == SMTP_TLS_NONE ? NULL
	    : level == SMTP_TLS_MAY                ? params.tls.may
						   : params.tls.encrypt;
}

/* False: it is no level that there is here. */
static bool
read_value(struct span value, struct policy *policy_r)
{
	static const struct {
		struct span word;
		enum smtp_level level;
	} rows[] = {
		{ SPAN_INIT("none"), SMTP_TLS_NONE },
		{ SPAN_INIT("may"), SMTP_TLS_MAY },
		{ SPAN_INIT("encrypt"), SMTP_TLS_ENCRYPT },
	};

	value = trim_white(value);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(value, rows[i].word)) {
			use_level(rows[i].level, policy_r);
			return true;
		}
	return false;
}

static void
use_default(struct policy *policy_r)
{
	use_level(!params.tls.offered ? SMTP_TLS_NONE
		: params.tls.required ? SMTP_TLS_ENCRYPT
				      : SMTP_TLS_MAY,
	    policy_r);
}

bool
policy_find(struct span nexthop, struct policy *policy_r, struct fault *fault_r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MAX);
	struct span value = { 0 };
	struct why why;

	use_default(policy_r);
	switch (find_value(nexthop, a, &value, &why)) {
	case DICT_ABSENT:
		return true;
	case DICT_FOUND:
		if (read_value(value, policy_r))
			return true;
		log_warning("TLS policy of %.*s: \"%.*s\" is not known; "
			    "allowed are none, may, encrypt",
		    (int)nexthop.n, nexthop.p, (int)value.n, value.p);
		fault_set(fault_r, SMTP_SOFT, "4.7.5",
		    "client TLS configuration problem");
		return false;
	case DICT_TEMPFAIL:
		break;
	}
	log_warning("%s", why.text);
	fault_set(fault_r, SMTP_SOFT, "4.7.5",
	    "TLS policy lookup error for %.*s", (int)nexthop.n, nexthop.p);
	return false;
}
