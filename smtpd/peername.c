#include "smtpd/peername.h"

#include "task/task.h"

#include <stdio.h>

enum {
	PATIENCE_MS = 10 * 1000,
	MEMORY_MAX = 256 << 10,
};

static bool
is_loopback(const struct addr *a)
{
	static const unsigned char six[16] = { [15] = 1 };

	return a->family == AF_INET ? a->bytes[0] == 127
				    : memcmp(a->bytes, six, 16) == 0;
}

static bool
has_address(struct arena *a, const char *host, const struct addr *peer,
    int64_t by)
{
	struct addr *list;
	struct why why;
	bool secure;
	size_t n;

	if (dns_addrs(a, span_str(host),
		peer->family == AF_INET ? DNS_IPV4 : DNS_IPV6, by, &list, &n,
		&secure, &why) != DNS_FOUND)
		return false;
	for (size_t i = 0; i < n; i++)
		if (addr_cmp(&list[i], peer) == 0)
			return true;
	return false;
}

/* An address that is taken for a name would be taken for who it is not. */
static bool
is_host_name(const char *name)
{
	struct addr a;

	return strchr(name, '.') && !strchr(name, '/') &&
	    !addr_parse(span_str(name), &a);
}

void
peername_find(const struct addr *peer, struct peername *name_r)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MEMORY_MAX);
	int64_t by = task_after(PATIENCE_MS);
	const char **names;
	struct why why;
	size_t n;

	snprintf(name_r->name, sizeof(name_r->name), "unknown");
	snprintf(name_r->claimed, sizeof(name_r->claimed), "unknown");
	if ((peer->family != AF_INET && peer->family != AF_INET6) ||
	    is_loopback(peer) || !dns_is_up() ||
	    dns_ptr(a, peer, by, &names, &n, &why) != DNS_FOUND ||
	    !is_host_name(names[0]))
		return;
	snprintf(name_r->claimed, sizeof(name_r->claimed), "%s", names[0]);
	if (has_address(a, names[0], peer, by))
		snprintf(name_r->name, sizeof(name_r->name), "%s", names[0]);
}
