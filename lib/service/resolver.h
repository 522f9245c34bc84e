/*
 * resolver.h - libunbound in a task: questions, and answers by callback.
 *
 * It resolves in a thread of its own and tells by a descriptor when there is
 * something to be taken, which one task does (resolver_serve()). It caches, and
 * validates where it has a trust anchor. A question ends at the latest after
 * RESOLVER_MS: a name server that is dead is told of sooner than by libunbound.
 */
#ifndef SERVICE_RESOLVER_H
#define SERVICE_RESOLVER_H

#include "base/why.h"
#include "service/dns.h"

enum {
	RESOLVER_MS = 30 * 1000,
	RESOLVER_QUESTIONS_MAX = 20000, /* under way; more are refused */
};

struct resolver_conf {
	const char *servers; /* address@port ...; empty: the system's */
	const char *resolv_conf; /* the file of the system's */
	const char *trust_anchors; /* a file; empty: nothing is validated */
};

/* What came of a question; it lives as long as the call of resolver_fn. */
struct resolved {
	enum dns_result result;
	bool secure;
	uint32_t ttl;
	struct span name; /* behind aliases */
	size_t n;
	char *const *rdata;
	const int *rdata_n;
	const char *text; /* why it is DNS_TEMPFAIL */
};

typedef void resolver_fn(const struct resolved *r, void *arg);

/* One of the process. Reads files. Returns 0, or -errno with `why`. */
MUST_USE int resolver_init(const struct resolver_conf *c, struct why *why);
void resolver_fini(void);

/* A task: takes answers until it is cancelled. */
void resolver_serve(void *arg);

/* Calls fn(r, arg) exactly once, not within this call. False: too many. */
MUST_USE bool resolver_ask(struct span name, enum rdata_type type,
    resolver_fn *fn, void *arg);

#endif
