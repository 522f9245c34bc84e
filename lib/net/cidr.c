#include "net/cidr.h"

#include "base/scan.h"
#include "base/why.h"

#include <errno.h>

struct cidr
cidr_make(const struct addr *a, unsigned bits)
{
	struct cidr c = { .net = *a, .bits = bits };

	must(bits <= addr_bits(a));
	c.net.port = 0;
	c.net.scope = 0;
	for (unsigned i = 0; i < addr_bits(a) / 8; i++) {
		unsigned left = i * 8 < bits ? bits - i * 8 : 0;

		if (left < 8)
			c.net.bytes[i] &= (unsigned char)(0xff00 >> left);
	}
	return c;
}

static int
refuse(struct why *why, const char *what, struct span text)
{
	return why_set(why, EINVAL, NULL, 0, "%s: \"%.*s\"", what,
	    (int)(text.n < 80 ? text.n : 80), text.p ? text.p : "");
}

static bool
has_char(struct span s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n);
}

int
cidr_parse(struct span text, struct cidr *cidr_r, struct why *why)
{
	struct span rest = text;
	struct span host;
	struct addr a;
	uint64_t bits;
	bool closed = false;

	/* "[2001:db8::/32]" too: take off what stands around it all. */
	if (rest.n > 2 && rest.p[0] == '[' && rest.p[rest.n - 1] == ']') {
		rest.p++;
		rest.n -= 2;
		closed = true;
	}

	bool has_bits = has_char(rest, '/');

	host = span_cut(&rest, '/');
	if (closed && host.n > 0 && host.p[0] == '[')
		return refuse(why, "no network", text);
	if (!addr_parse(host, &a) || addr_bits(&a) == 0)
		return refuse(why, "no network", text);
	bits = addr_bits(&a);
	if (has_bits && (!take_number(&rest, 128, &bits) || rest.n > 0))
		return refuse(why, "no number of bits", text);

	/* ::ffff:192.0.2.0/120 is 192.0.2.0/24 */
	if (has_bits && a.family == AF_INET && has_char(host, ':'))
		bits = bits >= 96 ? bits - 96 : 129;
	if (bits > addr_bits(&a))
		return refuse(why, "too many bits", text);
	*cidr_r = cidr_make(&a, (unsigned)bits);
	if (addr_cmp(&cidr_r->net, &a) != 0)
		return refuse(why, "bits of the host are not zero", text);
	return 0;
}

bool
cidr_has(const struct cidr *c, const struct addr *a)
{
	if (a->family != c->net.family || addr_bits(a) == 0)
		return false;

	struct cidr other = cidr_make(a, c->bits);

	return addr_cmp(&other.net, &c->net) == 0;
}

void
cidr_put(struct buf *out, const struct cidr *c)
{
	bool v6 = c->net.family == AF_INET6;

	buf_put(out, v6 ? SPAN("[") : SPAN(""));
	addr_put(out, &c->net);
	buf_putf(out, "%s/%u", v6 ? "]" : "", c->bits);
}
