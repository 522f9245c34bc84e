/*
 * dnsreply.h - a question to a name server, and what came back, as far as it says
 * whether there are such records (RFC 1035, section 4). Pure: what comes back is a
 * stranger's.
 */
#ifndef MASTER_CHECK_DNSREPLY_H
#define MASTER_CHECK_DNSREPLY_H

#include "base/buf.h"

enum dnsreply {
	DNSREPLY_FOUND,
	DNSREPLY_NO_MAIL, /* MX: "." alone, the domain takes none (RFC 7505) */
	DNSREPLY_NODATA, /* the name is there, and has no such record */
	DNSREPLY_ABSENT, /* there is no such name */
	DNSREPLY_TEMPFAIL, /* the server could not find out */
	DNSREPLY_FOREIGN, /* an answer to something else, or none at all */
};

enum {
	DNSREPLY_A = 1,
	DNSREPLY_MX = 15,
	DNSREPLY_AAAA = 28,
	DNSREPLY_QUERY_MAX = 512,
};

/* Appends the question. False: `name` is no name. */
MUST_USE bool dnsreply_ask(struct buf *out, uint16_t id, struct span name,
    uint16_t type);

/* What an answer to it says. */
MUST_USE enum dnsreply dnsreply_read(struct span packet, uint16_t id,
    uint16_t type);

#endif
