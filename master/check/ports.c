/* Where services listen: two at one address, and others that are there already. */
#include "master/check/check.h"

#include "master/interfaces.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void
put_addr(const struct plan_socket *s, char text_r[ADDR_TEXT_MAX])
{
	struct buf b;

	buf_init(&b, text_r, ADDR_TEXT_MAX - 1);
	addr_put_port(&b, &s->addr);
	text_r[b.n] = '\0';
}

static bool
is_wildcard(const struct addr *a)
{
	static const unsigned char none[16];

	return memcmp(a->bytes, none, addr_bits(a) / 8) == 0;
}

/* Whether a client of one could be meant for the other. */
static bool
is_same_place(const struct plan_socket *a, const struct plan_socket *b)
{
	if (a->path || b->path)
		return a->path && b->path && strcmp(a->path, b->path) == 0;
	return a->addr.family == b->addr.family &&
	    a->addr.port == b->addr.port &&
	    (addr_cmp(&a->addr, &b->addr) == 0 || is_wildcard(&a->addr) ||
		is_wildcard(&b->addr));
}

static void
check_pair(struct checkup *k, const struct plan_service *s,
    const struct plan_service *t)
{
	char place[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->sockets_n; i++)
		for (size_t j = 0; j < t->sockets_n; j++) {
			if (!is_same_place(&s->sockets[i], &t->sockets[j]))
				continue;
			if (!s->sockets[i].path)
				put_addr(&s->sockets[i], place);
			check_say(k, CHECK_ERROR,
			    "master.cf:%u: service %s: listens on %s, as the "
			    "service %s of line %u does; take one of them out",
			    t->line, t->name,
			    s->sockets[i].path ? s->sockets[i].path : place,
			    s->name, s->line);
			return; /* once a pair */
		}
}

static void
try_socket(struct checkup *k, const struct plan_service *s,
    const struct plan_socket *at)
{
	char place[ADDR_TEXT_MAX];
	const char *remedy = "";
	int fd = interfaces_bind(&at->addr);

	if (fd >= 0) {
		close(fd);
		return;
	}
	if (at->may_lack && fd != -EADDRINUSE)
		return;
	if (fd == -EADDRINUSE)
		remedy = "; ss -ltnp shows whose it is";
	else if (fd == -EADDRNOTAVAIL)
		remedy = "; this machine has no such address";
	put_addr(at, place);
	check_say(k, CHECK_ERROR,
	    "master.cf:%u: service %s: cannot listen on %s: %s%s", s->line,
	    s->name, place, strerror(-fd), remedy);
}

void
check_ports(struct checkup *k)
{
	bool is_running = command_master(k->instance) != 0;

	for (size_t i = 0; k->plan && i < k->plan->n; i++) {
		const struct plan_service *s = &k->plan->services[i];

		for (size_t j = 0; j < i; j++)
			check_pair(k, &k->plan->services[j], s);
		for (size_t j = 0; !is_running && j < s->sockets_n; j++)
			if (!s->sockets[j].path)
				try_socket(k, s, &s->sockets[j]);
	}
}
