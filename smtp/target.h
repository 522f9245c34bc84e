/*
 * target.h - next hops as they are written: "example.org" (by its MX records),
 * "[mail.example.org]", "[192.0.2.1]:587", "[IPv6:2001:db8::1]", "host:port";
 * with LMTP "unix:/path", "inet:host:port", "host". Several stand with commas or
 * blanks between them, in the order in which they are tried.
 */
#ifndef SMTP_TARGET_H
#define SMTP_TARGET_H

#include "base/defs.h"
#include "base/span.h"

enum target_kind {
	TARGET_DOMAIN, /* of mail: MX records count */
	TARGET_HOST, /* a name or an address of a host */
	TARGET_UNIX, /* ->host is a path */
};

struct target {
	enum target_kind kind;
	struct span host;
	struct span port; /* empty: the usual one */
};

/* Takes the next one from the front of *list. False: there is none. */
MUST_USE bool target_next(struct span *list, bool lmtp, struct target *t_r);

#endif
