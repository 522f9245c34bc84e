/*
 * dns.h - asks dnsd for DNS records, from a task.
 *
 * A process has one connection to dnsd, which one task keeps (dns_serve()); any
 * number of others ask. Aliases (CNAME) are followed there. "Could not find out"
 * is DNS_TEMPFAIL and never an absence: dnsd away, a name server that does not
 * answer, an answer that DNSSEC shows to be false.
 *
 * A command that runs without the suite is linked with dns-direct.c instead: then
 * its own libunbound (resolver.h) is asked, by the same dns_query().
 */
#ifndef SERVICE_DNS_H
#define SERVICE_DNS_H

#include "base/arena.h"
#include "base/why.h"
#include "net/addr.h"
#include "service/rdata.h"

enum dns_result {
	DNS_FOUND,
	DNS_ABSENT, /* there is no such name */
	DNS_NODATA, /* the name has no such records */
	DNS_TEMPFAIL,
	DNS_CANCELLED, /* we are to end */
};

enum dns_family {
	DNS_IPV4 = 1 << 0,
	DNS_IPV6 = 1 << 1,
};

/* All is in the arena of the call. */
struct dns_answer {
	bool secure; /* DNSSEC says that it is so; also for "there is none" */
	uint32_t ttl; /* seconds */
	const char *name; /* under which they were found, behind aliases */
	size_t n;
	struct span *rdata;
};

struct dns_mx {
	unsigned preference;
	const char *host; /* "": there is no mail (RFC 7505) */
};

/* A task: keeps the connection to dnsd's socket `path` until it is cancelled. */
void dns_serve(void *path);

/* Whether dnsd is there now. Plain. */
bool dns_is_up(void);

/* With DNS_TEMPFAIL `why` says why. May sleep. */
MUST_USE enum dns_result dns_query(struct arena *a, struct span name,
    enum rdata_type type, int64_t deadline, struct dns_answer *answer_r,
    struct why *why);

/*
 * Mail exchangers, the lowest preference first; those of the same in the order
 * of the answer; a hundred at most. What is no host's name is left out; if all
 * are, DNS_NODATA.
 */
MUST_USE enum dns_result dns_mx(struct arena *a, struct span name,
    int64_t deadline, struct dns_mx **list_r, size_t *n_r, bool *secure_r,
    struct why *why);

/*
 * Addresses of a host, those of IPv6 first: FOUND if there is any. TEMPFAIL only
 * if there is none and one of the questions could not be answered.
 */
MUST_USE enum dns_result dns_addrs(struct arena *a, struct span host,
    unsigned families, int64_t deadline, struct addr **list_r, size_t *n_r,
    bool *secure_r, struct why *why);

/* The names of an address. */
MUST_USE enum dns_result dns_ptr(struct arena *a, const struct addr *addr,
    int64_t deadline, const char ***list_r, size_t *n_r, struct why *why);

#endif
