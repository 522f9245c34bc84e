/*
 * What a server is to show: what was asked for, or what DNS says of it (RFC 7672).
 */
#include "base/scan.h"
#include "service/dns.h"
#include "smtp/finger/finger.h"
#include "task/task.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	QUERY_MS = 30 * 1000,
	NAME_SIZE = RDATA_NAME_MAX + 32, /* with "_65535._tcp." */
	TEXT_SIZE = 512,
};

static const struct {
	const char *word;
	enum finger_level level;
} levels[] = {
	{ "none", FINGER_NONE },
	{ "may", FINGER_MAY },
	{ "encrypt", FINGER_ENCRYPT },
	{ "fingerprint", FINGER_PRINT },
	{ "verify", FINGER_VERIFY },
	{ "secure", FINGER_SECURE },
	{ "dane", FINGER_DANE },
	{ "dane-only", FINGER_DANE_ONLY },
};

bool
finger_level_of(const char *word, enum finger_level *level_r)
{
	for (size_t i = 0; i < COUNT_OF(levels); i++)
		if (span_ieq(span_str(word), span_str(levels[i].word))) {
			*level_r = levels[i].level;
			return true;
		}
	return false;
}

void
finger_put_record(struct buf *out, const struct tls_record *r)
{
	size_t n = r->data.n, cut = n > TLS_DIGEST_MAX ? n / 2 : 0;

	buf_putf(out, "%u %u %u ", r->usage, r->selector, r->matching);
	for (size_t i = 0; i < n; i++) {
		if (cut && i == 32) {
			buf_put(out, SPAN("..."));
			i = n - 32;
		}
		buf_putf(out, "%02X", (unsigned char)r->data.p[i]);
	}
}

static void
say_record(void (*say)(const char *fmt, ...), const char *before,
    const char *what, const struct tls_record *r)
{
	char text[TEXT_SIZE];
	struct buf b;

	buf_init(&b, text, sizeof(text) - 1);
	finger_put_record(&b, r);
	text[b.n] = '\0';
	say("%s%s: %s", before, what, text);
}

/* What DNS says of one name. */
enum found {
	FOUND,
	NOT_FOUND,
	UNKNOWN, /* and no mail would be sent */
};

static void
add_record(const struct finger *f, struct finger_server *s, const char *name,
    const struct rdata_tlsa *t)
{
	struct tls_record r = { t->usage, t->selector, t->matching, t->data };

	if (r.usage != 2 && r.usage != 3) {
		say_record(finger_warn, name,
		    " unsupported TLSA certificate usage", &r);
		return;
	}
	if (f->log & FINGER_VERBOSE)
		say_record(finger_say, "DNSSEC-signed TLSA record: ", name, &r);
	if (s->records_n < FINGER_RECORDS_MAX)
		s->records[s->records_n++] = r;
}

static enum found
find_records(const struct finger *f, struct finger_server *s, const char *base)
{
	struct dns_answer d;
	char name[NAME_SIZE];
	struct why why;
	enum dns_result r;

	snprintf(name, sizeof(name), "_%u._tcp.%s",
	    (unsigned)s->host->addr.port, base);
	r = dns_query(f->arena, span_str(name), RDATA_TLSA,
	    task_after(QUERY_MS), &d, &why);
	if (r == DNS_TEMPFAIL || r == DNS_CANCELLED) {
		finger_warn("DANE TLSA lookup problem: Host or domain name not "
			    "found. Name service error for name=%s type=TLSA: "
			    "Host not found, try again",
		    name);
		return UNKNOWN;
	}
	if (r != DNS_FOUND || !d.secure)
		return NOT_FOUND;
	for (size_t i = 0; i < d.n; i++) {
		struct rdata_tlsa t;

		if (rdata_tlsa(d.rdata[i], &t))
			add_record(f, s, name, &t);
	}
	s->base = arena_dup(f->arena, span_str(base));
	return FOUND;
}

/* Whether a name that is an alias is one for sure, wherever it leads. */
static bool
is_secure_alias(const struct finger *f, struct span name)
{
	struct dns_answer d;
	struct why why;

	return dns_query(f->arena, name, RDATA_CNAME, task_after(QUERY_MS), &d,
		   &why) == DNS_FOUND &&
	    d.secure;
}

/* Aliases are followed as far as they are signed (RFC 7672, section 2.2.2). */
static enum found
find_at_host(const struct finger *f, struct finger_server *s)
{
	struct span host = span_str(s->host->name);
	struct dns_answer d;
	struct why why;
	enum found found = NOT_FOUND;
	bool is_alias;
	enum rdata_type type = s->host->addr.family == AF_INET6 ? RDATA_AAAA
								: RDATA_A;

	if (dns_query(f->arena, host, type, task_after(QUERY_MS), &d, &why) !=
	    DNS_FOUND)
		return NOT_FOUND;
	is_alias = !span_ieq(span_str(d.name), host);
	if (!d.secure && !f->force_tlsa &&
	    (!is_alias || !is_secure_alias(f, host)))
		return NOT_FOUND;
	if (is_alias && d.secure)
		found = find_records(f, s, d.name);
	return found == NOT_FOUND ? find_records(f, s, s->host->name) : found;
}

/* What is left where there is nothing to go by. */
static void
resort(const struct finger *f, struct finger_server *s)
{
	if (f->level == FINGER_DANE_ONLY)
		finger_say("no TLSA records found, resorting to \"secure\"");
	s->level = FINGER_SECURE;
	s->records_n = 0;
	s->base = NULL;
}

static bool
find_dane(const struct finger *f, struct finger_server *s)
{
	bool insecure = s->host->by_mx && !s->host->mx_secure;
	struct addr literal;

	if (insecure && f->insecure_mx == FINGER_MAY) {
		finger_say("MX RRset is insecure: try to encrypt");
		s->level = FINGER_MAY;
		return true;
	}
	/* What a file says of a host cannot be validated. */
	if (!f->hosts.by_dns || f->hosts.by_file ||
	    addr_parse(span_str(s->host->name), &literal)) {
		resort(f, s);
		return true;
	}
	switch (find_at_host(f, s)) {
	case FOUND:
		break;
	case NOT_FOUND:
		resort(f, s);
		return true;
	case UNKNOWN:
		return false;
	}
	if (insecure && f->insecure_mx == FINGER_ENCRYPT) {
		finger_say("TLSA RRs found, MX RRset insecure: just encrypt");
		s->level = FINGER_ENCRYPT;
		s->records_n = 0;
	} else if (insecure) {
		finger_say("MX RRset insecure: log verified as trusted");
		s->level = FINGER_HALF_DANE;
	}
	return true;
}

/* "AA:BB.." as bytes. False: it is none. */
static bool
take_print(struct span text, struct arena *a, struct span *bytes_r)
{
	char *p = arena_alloc(a, text.n / 2 + 1);
	size_t n = 0;
	int high = -1;

	for (size_t i = 0; p && i < text.n; i++) {
		int digit = hex_value(text.p[i]);

		if (text.p[i] == ':' && high < 0)
			continue;
		if (digit < 0)
			return false;
		if (high >= 0)
			p[n++] = (char)(high << 4 | digit);
		high = high < 0 ? digit : -1;
	}
	*bytes_r = (struct span){ p, n };
	return p && n > 0 && high < 0;
}

/* A print is that of a key or of a certificate: who gives it need not say. */
static void
use_prints(const struct finger *f, struct finger_server *s)
{
	for (size_t i = 0; i < f->matches_n; i++) {
		struct tls_record r = { 3, 1, TLS_MATCHING_OWN, { 0 } };

		if (!take_print(f->matches[i], f->arena, &r.data)) {
			finger_warn("malformed fingerprint value: %.*s",
			    (int)f->matches[i].n, f->matches[i].p);
		} else if (s->records_n + 2 <= FINGER_RECORDS_MAX) {
			s->records[s->records_n++] = r;
			r.selector = 0;
			s->records[s->records_n++] = r;
		}
	}
}

/* Leaves those that can match. */
static void
drop_unusable(const struct finger *f, struct finger_server *s)
{
	bool of_dns = s->level == FINGER_DANE || s->level == FINGER_DANE_ONLY ||
	    s->level == FINGER_HALF_DANE;
	size_t n = 0, before = s->records_n;

	for (size_t i = 0; i < before; i++)
		if (tls_record_is_usable(&s->records[i], f->tls))
			s->records[n++] = s->records[i];
		else
			say_record(finger_warn, s->name, ": unusable TLSA RR",
			    &s->records[i]);
	s->records_n = n;
	if (n > 0)
		return;
	if (of_dns) {
		finger_warn("%s: all TLSA records unusable, fallback to "
			    "unauthenticated TLS",
		    s->name);
		s->level = FINGER_SECURE;
		s->base = NULL;
	} else if (before > 0) {
		finger_warn("%s: all fingerprints unusable", s->name);
		s->must_fail = true;
	}
}

bool
finger_find_level(const struct finger *f, struct finger_server *s)
{
	s->level = f->level;
	s->records_n = 0;
	s->base = NULL;
	s->must_fail = false;
	switch (f->level) {
	case FINGER_NONE:
	case FINGER_MAY:
	case FINGER_ENCRYPT:
		break;
	case FINGER_PRINT:
		use_prints(f, s);
		break;
	case FINGER_VERIFY:
	case FINGER_SECURE:
		memcpy(s->records, f->trusted,
		    f->trusted_n * sizeof(*f->trusted));
		s->records_n = f->trusted_n;
		return true;
	case FINGER_HALF_DANE:
	case FINGER_DANE:
	case FINGER_DANE_ONLY:
		if (!find_dane(f, s))
			return false;
		break;
	}
	if (f->tls && s->level != FINGER_SECURE && s->level > FINGER_ENCRYPT)
		drop_unusable(f, s);
	return true;
}
