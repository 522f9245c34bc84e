#include "service/dns.h"

#include "service/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ANSWER_MAX = MSG_MAX,
	AWAY_MS = 3000, /* that a question waits for dnsd to come back */
	LABELS_MAX = 80, /* bytes of the name of an address */
	MX_MAX = 100, /* of the best; more hosts than anybody tries */
};

static struct rpc *dnsd; /* one of the process */

static void
set_up(void)
{
	if (!dnsd)
		dnsd = rpc_new("the resolver", ANSWER_MAX);
}

void
dns_serve(void *path)
{
	set_up();
	rpc_keep(dnsd, path);
}

bool
dns_is_up(void)
{
	return dnsd && rpc_is_up(dnsd);
}

static enum dns_result
fail(struct why *why, const char *text)
{
	why_set(why, EAGAIN, NULL, 0, "%s", text);
	return DNS_TEMPFAIL;
}

static size_t
count_records(const struct msg_in *in)
{
	struct span rest = in->fields, rdata;
	size_t n = 0;

	while (msg_next(&rest, MSG_FIELD_RDATA, &rdata))
		n++;
	return n;
}

/* Copies the records to the arena. False: it is full. */
static bool
copy_records(struct arena *a, const struct msg_in *in, struct dns_answer *d)
{
	struct span rest = in->fields, rdata;
	size_t n = count_records(in);

	d->rdata = arena_alloc(a, (n + 1) * sizeof(*d->rdata));
	d->name = arena_dup(a, msg_str(in, MSG_FIELD_NAME));
	if (!d->rdata || !d->name)
		return false;
	while (d->n < n && msg_next(&rest, MSG_FIELD_RDATA, &rdata)) {
		d->rdata[d->n] = (struct span){ arena_dup(a, rdata), rdata.n };
		if (!d->rdata[d->n].p)
			return false;
		d->n++;
	}
	return true;
}

static enum dns_result
take_answer(struct arena *a, const struct msg_in *in, struct dns_answer *d,
    struct why *why)
{
	uint64_t status = msg_u64(in, MSG_FIELD_STATUS);

	if (in->type != MSG_RESOLVED || status > DNS_TEMPFAIL)
		return fail(why, "the resolver said what is no answer");
	d->secure = msg_u64(in, MSG_FIELD_SECURE) == 1;
	d->ttl = (uint32_t)msg_u64(in, MSG_FIELD_TTL);
	if (status == DNS_TEMPFAIL)
		why_set(why, EAGAIN, NULL, 0, "%.*s",
		    (int)msg_str(in, MSG_FIELD_TEXT).n,
		    msg_str(in, MSG_FIELD_TEXT).p);
	else if (!copy_records(a, in, d))
		return fail(why, "the answer is too large");
	return (enum dns_result)status;
}

static enum rpc_result
ask(struct span name, enum rdata_type type, struct rpc_call *call, char *bytes,
    int64_t deadline)
{
	char packet[1024];
	struct buf b;

	rpc_begin(dnsd, call, bytes, ANSWER_MAX);
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_RESOLVE, call->id);
	msg_put_str(&b, MSG_FIELD_NAME, name);
	msg_put_u64(&b, MSG_FIELD_KIND, type);
	return rpc_ask(dnsd, call, &b, deadline);
}

enum dns_result
dns_query(struct arena *a, struct span name, enum rdata_type type,
    int64_t deadline, struct dns_answer *answer_r, struct why *why)
{
	int64_t by = task_after(AWAY_MS);
	enum dns_result result;
	struct rpc_call call;
	enum rpc_result r = RPC_AWAY;
	char *bytes;

	*answer_r = (struct dns_answer){ .name = "" };
	if (name.n >= RDATA_NAME_MAX)
		return DNS_ABSENT; /* such a one cannot be */
	set_up();
	bytes = zalloc(ANSWER_MAX);
	/* One that ends, as on a reload, may take a question with it: once more. */
	for (int tries = 0; tries < 2; tries++) {
		r = RPC_AWAY;
		if (rpc_wait(dnsd, by < deadline ? by : deadline))
			r = ask(name, type, &call, bytes, deadline);
		if (r != RPC_LOST && r != RPC_AWAY)
			break;
	}
	if (r == RPC_ANSWERED) {
		task_close(call.fd);
		result = take_answer(a, &call.in, answer_r, why);
	} else if (r == RPC_CANCELLED) {
		result = DNS_CANCELLED;
	} else {
		result = fail(why,
		    r == RPC_TIMEOUT ? "the resolver does not answer in time"
				     : "the resolver is away");
	}
	free(bytes);
	return result;
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
			return fail(why, "the answer is too large");
		*n_r = insert(*list_r, *n_r, at, mx);
	}
	if (!*list_r)
		return fail(why, "the answer is too large");
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
		return fail(why, "the answer is too large");
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
			return fail(why, "the answer is too large");
	}
	if (!*list_r)
		return fail(why, "the answer is too large");
	return *n_r > 0 ? DNS_FOUND : DNS_NODATA;
}
