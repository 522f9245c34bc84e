/*
 * cidr.h - networks: an address and how many of its bits count.
 */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include "net/addr.h"

struct cidr {
	struct addr net; /* what is behind ->bits is zero */
	unsigned bits;
};

/*
 * "192.0.2.0/24", "[2001:db8::]/32", "2001:db8::/32", "[2001:db8::/32]", or an
 * address alone, which is a network of one. What stands behind the bits must be
 * zero, as Postfix demands. Returns 0 or -EINVAL with `why`, which names no
 * place.
 */
struct why;
MUST_USE int cidr_parse(struct span text, struct cidr *cidr_r, struct why *why);

/* The network of `bits` bits in which `a` is. */
struct cidr cidr_make(const struct addr *a, unsigned bits);

bool cidr_has(const struct cidr *c, const struct addr *a);

/* Appends "192.0.2.0/24" or "[2001:db8::]/32". */
void cidr_put(struct buf *out, const struct cidr *c);

#endif
