#include "service/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	LABELS_MAX = 80, /* bytes of the name of an address */
	MX_MAX = 100, /* of the best; more hosts than anybody tries */
};

static enum dns_result
refuse_size(struct why *why)
{
	why_set(why, EAGAIN, NULL, 0, "the answer is too large");
	return DNS_TEMPFAIL;
}

static int
by_preference(const struct dns_mx *a, const struct dns_mx *b)
{
	return (a->preference > b->preference) -
	    (a->preference < b->preference);
}

/* Where it goes among those that are sorted, behind its equals. */
static size_t
place_of(const struct dns_mx *list, size_t n, const struct dns_mx *mx)
{
	while (n > 0 && by_preference(&list[n - 1], mx) > 0)
		n--;
	return n;
}

/* The last goes where there are too many. Returns how many there are. */
static size_t
insert(struct dns_mx *list, size_t n, size_t at, struct dns_mx mx)
{
	size_t keep = n < MX_MAX ? n : MX_MAX - 1;

	memmove(list + at + 1, list + at, (keep - at) * sizeof(*list));
	list[at] = mx;
	return keep + 1;
}

enum dns_result
dns_mx(struct arena *a, struct span name, int64_t deadline,
    struct dns_mx **list_r, size_t *n_r, bool *secure_r, struct why *why)
{
	struct dns_answer d;
	enum dns_result r = dns_query(a, name, RDATA_MX, deadline, &d, why);

	*n_r = 0;
	*secure_r = d.secure;
	if (r != DNS_FOUND)
		return r;
	*list_r = arena_alloc(a, MX_MAX * sizeof(**list_r));
	for (size_t i = 0; *list_r && i < d.n; i++) {
		char host[RDATA_NAME_MAX];
		struct dns_mx mx;
		size_t at;

		if (!rdata_mx(d.rdata[i], &mx.preference, host))
			continue;
		at = place_of(*list_r, *n_r, &mx);
		if (at == MX_MAX)
			continue;
		mx.host = arena_dup(a, span_str(host));
		if (!mx.host)
			return refuse_size(why);
		*n_r = insert(*list_r, *n_r, at, mx);
	}
	if (!*list_r)
		return refuse_size(why);
	return *n_r > 0 ? DNS_FOUND : DNS_NODATA;
}

static void
add_addrs(const struct dns_answer *d, int family, struct addr *list, size_t *n)
{
	size_t len = family == AF_INET ? 4 : 16;

	for (size_t i = 0; i < d->n; i++) {
		struct addr addr = { .family = family };

		if (d->rdata[i].n != len)
			continue;
		memcpy(addr.bytes, d->rdata[i].p, len);
		list[(*n)++] = addr;
	}
}

/* The worse of two answers that both have no records. */
static enum dns_result
join(enum dns_result a, enum dns_result b)
{
	if (a == DNS_CANCELLED || b == DNS_CANCELLED)
		return DNS_CANCELLED;
	if (a == DNS_TEMPFAIL || b == DNS_TEMPFAIL)
		return DNS_TEMPFAIL;
	return a == DNS_NODATA || b == DNS_NODATA ? DNS_NODATA : DNS_ABSENT;
}

enum dns_result
dns_addrs(struct arena *a, struct span host, unsigned families,
    int64_t deadline, struct addr **list_r, size_t *n_r, bool *secure_r,
    struct why *why)
{
	struct dns_answer six = { 0 }, four = { 0 };
	enum dns_result r6 = DNS_NODATA, r4 = DNS_NODATA;

	*n_r = 0;
	if (families & DNS_IPV6)
		r6 = dns_query(a, host, RDATA_AAAA, deadline, &six, why);
	if (families & DNS_IPV4 && r6 != DNS_CANCELLED)
		r4 = dns_query(a, host, RDATA_A, deadline, &four, why);
	*secure_r = (r6 != DNS_FOUND || six.secure) &&
	    (r4 != DNS_FOUND || four.secure) &&
	    (r6 == DNS_FOUND || r4 == DNS_FOUND);
	*list_r = arena_alloc(a, (six.n + four.n + 1) * sizeof(**list_r));
	if (!*list_r)
		return refuse_size(why);
	if (r6 == DNS_FOUND)
		add_addrs(&six, AF_INET6, *list_r, n_r);
	if (r4 == DNS_FOUND)
		add_addrs(&four, AF_INET, *list_r, n_r);
	return *n_r > 0 ? DNS_FOUND
			: join(r6 == DNS_FOUND ? DNS_NODATA : r6,
			      r4 == DNS_FOUND ? DNS_NODATA : r4);
}

/* RFC 1035, section 3.5; RFC 3596, section 2.5. */
static void
put_reverse(struct buf *b, const struct addr *addr)
{
	if (addr->family == AF_INET) {
		for (size_t i = 4; i-- > 0;)
			buf_putf(b, "%u.", addr->bytes[i]);
		buf_put(b, SPAN("in-addr.arpa"));
		return;
	}
	for (size_t i = 16; i-- > 0;)
		buf_putf(b, "%x.%x.", addr->bytes[i] & 15, addr->bytes[i] >> 4);
	buf_put(b, SPAN("ip6.arpa"));
}

enum dns_result
dns_ptr(struct arena *a, const struct addr *addr, int64_t deadline,
    const char ***list_r, size_t *n_r, struct why *why)
{
	char name[LABELS_MAX], host[RDATA_NAME_MAX];
	struct dns_answer d;
	enum dns_result r;
	struct buf b;

	*n_r = 0;
	if (addr->family != AF_INET && addr->family != AF_INET6)
		return DNS_ABSENT;
	buf_init(&b, name, sizeof(name));
	put_reverse(&b, addr);
	r = dns_query(a, buf_span(&b), RDATA_PTR, deadline, &d, why);
	if (r != DNS_FOUND)
		return r;
	*list_r = arena_alloc(a, (d.n + 1) * sizeof(**list_r));
	for (size_t i = 0; *list_r && i < d.n; i++) {
		if (!rdata_name(d.rdata[i], host) || !*host)
			continue;
		(*list_r)[*n_r] = arena_dup(a, span_str(host));
		if (!(*list_r)[(*n_r)++])
			return refuse_size(why);
	}
	if (!*list_r)
		return refuse_size(why);
	return *n_r > 0 ? DNS_FOUND : DNS_NODATA;
}
