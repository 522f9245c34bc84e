#include "smtp/hosts.h"

#include "net/hosts.h"
#include "service/dns.h"
#include "task/task.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	LIST_MAX = 128, /* addresses of a next hop that are looked at */
	MX_MAX = 32, /* servers of a domain that are asked for */
	QUERY_MS = 30 * 1000,
};

struct list {
	const struct hosts_conf *conf;
	struct arena *arena;
	struct host *v;
	size_t n;
	uint16_t port;
	bool by_mx;
	bool mx_secure;
	bool temporary; /* of a server nothing could be found out */
};

void
fault_set(struct fault *f, enum smtp_fate fate, const char *dsn,
    const char *fmt, ...)
{
	va_list ap;

	f->fate = fate;
	snprintf(f->dsn, sizeof(f->dsn), "%s", dsn);
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* Postfix's words for what DNS says. */
static void
blame(struct fault *f, enum dns_result r, struct span name, const char *type)
{
	static const char form[] =
	    "Host or domain name not found. Name service "
	    "error for name=%.*s type=%s: %s";
	const char *text = "Host not found, try again";
	bool permanent = true;

	switch (r) {
	case DNS_ABSENT:
		text = "Host not found";
		break;
	case DNS_NODATA:
		text = "Host found but no data record of requested type";
		break;
	case DNS_FOUND:
	case DNS_TEMPFAIL:
	case DNS_CANCELLED:
		permanent = false;
		break;
	}
	fault_set(f, permanent ? SMTP_BOUNCED : SMTP_SOFT,
	    permanent ? "5.4.4" : "4.4.3", form,
	    name.n > 255 ? 255 : (int)name.n, name.p, type, text);
}

static void
add(struct list *l, const char *name, unsigned preference,
    const struct addr *addr)
{
	struct host *h;

	if (l->n == LIST_MAX)
		return;
	h = &l->v[l->n++];
	*h = (struct host){ .name = name,
		.preference = preference,
		.by_mx = l->by_mx,
		.mx_secure = l->mx_secure,
		.addr = *addr };
	h->addr.port = l->port;
}

/* The type that was asked for last: as Postfix names it. */
static const char *
type_name(const struct list *l)
{
	return l->conf->families & DNS_IPV6 ? "AAAA" : "A";
}

/* Of the system's file, which was read at the start. False: it is not in there. */
static bool
add_native(struct list *l, const char *name, unsigned preference)
{
	struct addr found[HOSTS_ADDRS_MAX];
	size_t n, before = l->n;

	n = hosts_find_in(l->conf->file, span_str(name), found);
	for (size_t i = 0; i < n; i++)
		if (l->conf->families &
		    (found[i].family == AF_INET6 ? DNS_IPV6 : DNS_IPV4))
			add(l, name, preference, &found[i]);
	return l->n > before;
}

static bool
add_host(struct list *l, struct span name, unsigned preference,
    struct fault *fault_r)
{
	struct addr *addrs;
	struct why why;
	size_t n;
	bool secure;
	const char *copy = arena_dup(l->arena, name);
	enum dns_result r = DNS_ABSENT;

	if (l->conf->by_dns)
		r = dns_addrs(l->arena, name, l->conf->families,
		    task_after(QUERY_MS), &addrs, &n, &secure, &why);

	if (r == DNS_FOUND && copy) {
		for (size_t i = 0; i < n; i++)
			add(l, copy, preference, &addrs[i]);
		return true;
	}
	if (l->conf->by_file && copy && (r == DNS_ABSENT || r == DNS_NODATA) &&
	    add_native(l, copy, preference))
		return true;
	l->temporary |= r == DNS_TEMPFAIL || r == DNS_CANCELLED || !copy;
	blame(fault_r, r, name, type_name(l));
	return false;
}

/* A better one first; of the same preference whichever. */
static int
by_preference(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	return x->preference < y->preference ? -1
					     : x->preference > y->preference;
}

static void
shuffle(struct list *l)
{
	uint32_t dice[LIST_MAX];

	if (l->n < 2 ||
	    getrandom(dice, sizeof(dice), GRND_NONBLOCK) != sizeof(dice))
		return;
	for (size_t i = l->n - 1; i > 0; i--) {
		size_t k = dice[i] % (i + 1);
		struct host h = l->v[i];

		l->v[i] = l->v[k];
		l->v[k] = h;
	}
}

static void
sort(struct list *l)
{
	if (l->conf->randomize)
		shuffle(l);
	qsort(l->v, l->n, sizeof(*l->v), by_preference);
}

static bool
is_own(const struct hosts_conf *c, const struct addr *a)
{
	for (size_t i = 0; i < c->own_n; i++)
		if (addr_cmp(&c->own[i], a) == 0)
			return true;
	return false;
}

/*
 * We are one of the servers: what is not better than we are would send it back
 * to us (RFC 5321, section 5.1). False: we are the best.
 */
static bool
cut_off_own(struct list *l)
{
	unsigned own = UINT32_MAX;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].preference < own &&
		    (is_own(l->conf, &l->v[i].addr) ||
			span_ieq(span_str(l->v[i].name),
			    span_str(l->conf->myhostname))))
			own = l->v[i].preference;
	while (n < l->n && l->v[n].preference < own)
		n++;
	if (own != UINT32_MAX)
		l->n = n;
	return l->n > 0;
}

static bool
add_servers(struct list *l, struct span domain, const struct dns_mx *mx,
    size_t n, struct fault *fault_r)
{
	struct fault first;
	bool failed = false;

	if (n == 1 && mx[0].host[0] == '\0') {
		fault_set(fault_r, SMTP_BOUNCED, "5.1.0",
		    "Domain %.*s does not accept mail (nullMX)", (int)domain.n,
		    domain.p);
		return false;
	}
	for (size_t i = 0; i < n && i < MX_MAX; i++)
		if (mx[i].host[0] &&
		    !add_host(l, span_str(mx[i].host), mx[i].preference,
			failed ? fault_r : &first))
			failed = true;
	if (l->n > 0)
		return true;
	if (failed)
		*fault_r = first;
	else
		blame(fault_r, DNS_NODATA, domain, "MX");
	if (l->temporary) {
		fault_r->fate = SMTP_SOFT;
		snprintf(fault_r->dsn, sizeof(fault_r->dsn), "4.4.3");
	}
	return false;
}

static bool
find_by_mx(struct list *l, struct span domain, struct fault *fault_r)
{
	struct dns_mx *mx;
	struct why why;
	size_t n;
	bool secure;
	enum dns_result r = dns_mx(l->arena, domain, task_after(QUERY_MS), &mx,
	    &n, &secure, &why);

	switch (r) {
	case DNS_FOUND:
		l->by_mx = true;
		l->mx_secure = secure;
		return add_servers(l, domain, mx, n, fault_r);
	case DNS_NODATA:
		return add_host(l, domain, 0, fault_r);
	case DNS_ABSENT:
		/* Then it has no address either, which is what Postfix tells. */
		blame(fault_r, r, domain, type_name(l));
		return false;
	case DNS_TEMPFAIL:
	case DNS_CANCELLED:
		break;
	}
	blame(fault_r, r, domain, "MX");
	return false;
}

static bool
find(struct list *l, const struct target *t, struct fault *fault_r)
{
	struct addr addr;
	const char *name;

	if (!addr_parse(t->host, &addr))
		return t->kind == TARGET_DOMAIN
		    ? find_by_mx(l, t->host, fault_r)
		    : add_host(l, t->host, 0, fault_r);
	name = arena_dup(l->arena, t->host);
	if (name && addr_bits(&addr) > 0) {
		add(l, name, 0, &addr);
		return true;
	}
	fault_set(fault_r, SMTP_BOUNCED, "5.4.4", "bad next hop: %.*s",
	    (int)t->host.n, t->host.p);
	return false;
}

static bool
find_socket(struct list *l, const struct target *t, struct fault *fault_r)
{
	struct addr a = { .family = AF_UNIX };

	if (t->host.n == 0 || t->host.n >= sizeof(a.path)) {
		fault_set(fault_r, SMTP_SOFT, "4.3.5",
		    "bad next hop: unix:%.*s", (int)t->host.n, t->host.p);
		return false;
	}
	memcpy(a.path, t->host.p, t->host.n);
	add(l, l->conf->myhostname, 0, &a);
	return true;
}

bool
hosts_of(const struct hosts_conf *c, const struct target *t, struct arena *a,
    struct host **list_r, size_t *n_r, struct fault *fault_r)
{
	struct list l = { .conf = c, .arena = a, .port = c->port };
	bool usual = t->port.n == 0;
	bool found;

	l.v = arena_alloc(a, LIST_MAX * sizeof(*l.v));
	if (!l.v ||
	    (!usual &&
		!port_find(c->services, span_str(c->known_ports), t->port,
		    &l.port))) {
		fault_set(fault_r, SMTP_SOFT, "4.3.5",
		    "bad next hop: no such port: %.*s", (int)t->port.n,
		    t->port.p);
		return false;
	}
	found = t->kind == TARGET_UNIX ? find_socket(&l, t, fault_r)
				       : find(&l, t, fault_r);
	if (!found)
		return false;
	sort(&l);
	if (usual && t->kind != TARGET_UNIX && !c->lmtp && !c->with_own &&
	    !cut_off_own(&l)) {
		fault_set(fault_r, SMTP_BOUNCED, "5.4.6",
		    "mail for %.*s loops back to myself", (int)t->host.n,
		    t->host.p);
		return false;
	}
	*list_r = l.v;
	*n_r = l.n;
	return true;
}
