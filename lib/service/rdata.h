/*
 * rdata.h - the data of DNS records, as a resolver gives it: names in full,
 * never compressed (RFC 1035, section 3.3). It comes from strangers. Plain.
 */
#ifndef SERVICE_RDATA_H
#define SERVICE_RDATA_H

#include "base/buf.h"

enum {
	RDATA_NAME_MAX = 255, /* bytes of a name as text, and its NUL */
};

enum rdata_type {
	RDATA_A = 1,
	RDATA_CNAME = 5,
	RDATA_PTR = 12,
	RDATA_MX = 15,
	RDATA_TXT = 16,
	RDATA_AAAA = 28,
	RDATA_TLSA = 52,
};

/*
 * Takes a name from the front of *in, as "mail.demo.test", without a last dot;
 * the root is "". False: it is none, or has bytes in it that a host's name has
 * not: only letters, digits, '-', '_' and the '/' of RFC 2317 are taken.
 */
MUST_USE bool rdata_take_name(struct span *in, char name_r[RDATA_NAME_MAX]);

/* All of it is a name: PTR. */
MUST_USE bool rdata_name(struct span rdata, char name_r[RDATA_NAME_MAX]);

MUST_USE bool rdata_mx(struct span rdata, unsigned *preference_r,
    char host_r[RDATA_NAME_MAX]);

/* A TLSA record (RFC 6698, section 2.1); ->data points into it. */
struct rdata_tlsa {
	unsigned usage, selector, matching;
	struct span data;
};
MUST_USE bool rdata_tlsa(struct span rdata, struct rdata_tlsa *t_r);

/* Its character-strings, joined. */
MUST_USE bool rdata_txt(struct span rdata, struct buf *out);

#endif
