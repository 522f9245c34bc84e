#include "conf/defaults.h"

#include "net/cidr.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

enum {
	HOST_NAME_SIZE = 256,
};

void
defaults_hostname(struct buf *out)
{
	char name[HOST_NAME_SIZE] = "";

	/* A name that is cut need not end in a NUL. */
	if (gethostname(name, sizeof(name) - 1) < 0 || !*name)
		memcpy(name, "localhost", sizeof("localhost"));
	buf_putf(out, "%s%s", name, strchr(name, '.') ? "" : ".localdomain");
}

struct span
defaults_domain(struct span hostname)
{
	struct span rest = hostname;

	span_cut(&rest, '.');
	return rest.n > 0 ? rest : SPAN("localdomain");
}

static unsigned
mask_bits(const struct sockaddr *mask, unsigned max)
{
	unsigned char bytes[16] = { 0 };
	unsigned bits = 0;

	if (!mask)
		return max;
	if (max == 32) {
		struct sockaddr_in in;

		memcpy(&in, mask, sizeof(in));
		memcpy(bytes, &in.sin_addr, 4);
	} else {
		struct sockaddr_in6 in6;

		memcpy(&in6, mask, sizeof(in6));
		memcpy(bytes, &in6.sin6_addr, 16);
	}
	while (bits < max && (bytes[bits / 8] & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

/* The network of an address in the days of classes A, B and C. */
static unsigned
class_bits(unsigned char first)
{
	return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

static unsigned
bits_of(const struct ifaddrs *i, const struct addr *a,
    enum defaults_style style)
{
	unsigned max = addr_bits(a);

	switch (style) {
	case DEFAULTS_HOST:
		return max;
	case DEFAULTS_CLASS:
		if (a->family == AF_INET)
			return class_bits(a->bytes[0]);
		return mask_bits(i->ifa_netmask, max);
	case DEFAULTS_SUBNET:
		return mask_bits(i->ifa_netmask, max);
	}
	return max;
}

void
defaults_networks(enum defaults_style style, struct buf *out)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct addr a;
		struct cidr c;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) ||
		    !addr_from_sockaddr(i->ifa_addr, &a) || a.family == AF_UNIX)
			continue;
		c = cidr_make(&a, bits_of(i, &a, style));
		if (out->n > 0)
			buf_put(out, SPAN(" "));
		cidr_put(out, &c);
	}
	freeifaddrs(all);
}
