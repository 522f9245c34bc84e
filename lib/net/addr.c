#include "net/addr.h"

#include "base/scan.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

/* An IPv4 address in IPv6's clothes takes them off. */
static void
unmap(struct addr *a)
{
	if (a->family != AF_INET6 ||
	    memcmp(a->bytes, mapped, sizeof(mapped)) != 0)
		return;
	a->family = AF_INET;
	a->scope = 0;
	memmove(a->bytes, a->bytes + 12, 4);
	memset(a->bytes + 4, 0, 12);
}

static bool
take_brackets(struct span *text)
{
	if (text->n < 2 || text->p[0] != '[' || text->p[text->n - 1] != ']')
		return false;
	text->p++;
	text->n -= 2;
	return true;
}

static bool
parse_path(struct span path, struct addr *a)
{
	if (path.n == 0 || path.n >= sizeof(a->path) ||
	    memchr(path.p, '\0', path.n))
		return false;
	a->family = AF_UNIX;
	memcpy(a->path, path.p, path.n);
	return true;
}

bool
addr_parse(struct span text, struct addr *addr_r)
{
	struct addr a = { .family = AF_UNSPEC };
	char z[INET6_ADDRSTRLEN + 1] = "";

	if (take_text(&text, SPAN("unix:"))) {
		if (!parse_path(text, &a))
			return false;
		*addr_r = a;
		return true;
	}
	if (take_brackets(&text) && text.n > 5 &&
	    span_ieq((struct span){ text.p, 5 }, SPAN("IPv6:"))) {
		text.p += 5;
		text.n -= 5;
	}
	if (text.n == 0 || text.n >= sizeof(z) || memchr(text.p, 0, text.n))
		return false;
	memcpy(z, text.p, text.n);
	a.family = strchr(z, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, z, a.bytes) != 1)
		return false;
	unmap(&a);
	*addr_r = a;
	return true;
}

void
addr_put(struct buf *out, const struct addr *a)
{
	char z[INET6_ADDRSTRLEN];

	if (a->family == AF_UNIX)
		buf_putf(out, "unix:%s", a->path);
	else if (a->family == AF_UNSPEC ||
	    !inet_ntop(a->family, a->bytes, z, sizeof(z)))
		buf_put(out, SPAN("unknown"));
	else
		buf_putf(out, "%s", z);
}

void
addr_put_port(struct buf *out, const struct addr *a)
{
	if (a->family == AF_INET6)
		buf_put(out, SPAN("["));
	addr_put(out, a);
	if (a->family == AF_INET6)
		buf_put(out, SPAN("]"));
	if (addr_bits(a) > 0)
		buf_putf(out, ":%u", a->port);
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->family == AF_UNIX)
		return strcmp(a->path, b->path);
	return memcmp(a->bytes, b->bytes, addr_bits(a) / 8);
}

unsigned
addr_bits(const struct addr *a)
{
	return a->family == AF_INET ? 32 : a->family == AF_INET6 ? 128 : 0;
}

bool
addr_from_sockaddr(const struct sockaddr *sa, struct addr *addr_r)
{
	struct addr a = { .family = sa->sa_family };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		a.port = ntohs(in.sin_port);
		memcpy(a.bytes, &in.sin_addr, 4);
		break;
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		a.port = ntohs(in6.sin6_port);
		a.scope = in6.sin6_scope_id;
		memcpy(a.bytes, &in6.sin6_addr, 16);
		unmap(&a);
		break;
	case AF_UNIX:
		break; /* of a client it has no name */
	default:
		return false;
	}
	*addr_r = a;
	return true;
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *sa_r)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memset(sa_r, 0, sizeof(*sa_r));
	switch (a->family) {
	case AF_INET:
		in.sin_port = htons(a->port);
		memcpy(&in.sin_addr, a->bytes, 4);
		memcpy(sa_r, &in, sizeof(in));
		return sizeof(in);
	case AF_INET6:
		in6.sin6_port = htons(a->port);
		in6.sin6_scope_id = a->scope;
		memcpy(&in6.sin6_addr, a->bytes, 16);
		memcpy(sa_r, &in6, sizeof(in6));
		return sizeof(in6);
	case AF_UNIX:
		memcpy(un.sun_path, a->path, sizeof(un.sun_path));
		memcpy(sa_r, &un, sizeof(un));
		return sizeof(un);
	default:
		return 0;
	}
}
