/*
 * addr.h - addresses of peers: IPv4, IPv6, or the path of a Unix socket.
 *
 * An IPv4 address in IPv6's clothes (::ffff:192.0.2.1) is an IPv4 address here,
 * whichever way it came in, so that it matches what administrators write.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "base/buf.h"

#include <sys/socket.h>
#include <sys/un.h>

enum {
	ADDR_TEXT_MAX = 128, /* any address as text, with brackets and port */
};

struct addr {
	int family; /* AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC: none */
	uint16_t port; /* 0: none */
	uint32_t scope; /* of a link-local IPv6 address, else 0 */
	union {
		unsigned char bytes[16]; /* 4 or 16, as on the wire */
		char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	};
};

/*
 * An address in numbers, without a port: "192.0.2.1", "2001:db8::1", with or
 * without brackets around it, also "IPv6:2001:db8::1" as in [literals], or
 * "unix:/path". False: it is none.
 */
MUST_USE bool addr_parse(struct span text, struct addr *addr_r);

/* Appends it without port or brackets: "2001:db8::1"; none: "unknown". */
void addr_put(struct buf *out, const struct addr *a);

/* Appends "192.0.2.1:25", "[2001:db8::1]:25". */
void addr_put_port(struct buf *out, const struct addr *a);

/* Below, at or above 0, as in memcmp(); ports do not count. */
int addr_cmp(const struct addr *a, const struct addr *b);

/* 32 or 128; 0 for what is no network address. */
unsigned addr_bits(const struct addr *a);

/* From and to the system's form. False: of a family we do not know. */
MUST_USE bool addr_from_sockaddr(const struct sockaddr *sa,
    struct addr *addr_r);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *sa_r);

#endif
