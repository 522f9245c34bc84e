#include "master/interfaces.h"

#include "net/hosts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const char hosts_file[] = "/etc/hosts";
static const char services_file[] = "/etc/services";

struct search {
	const struct plan_params *params;
	const struct service_line *line;
	struct plan_service *service;
	uint16_t port;
	struct why *why;
};

static bool
list_has(const char *list, struct span wanted)
{
	struct span rest = span_str(list);
	struct span element;

	while (conf_list_next(&rest, &element))
		if (span_ieq(element, wanted))
			return true;
	return false;
}

static bool
is_wanted(const struct search *q, const struct addr *a)
{
	const char *protocols = q->params->inet_protocols;

	if (list_has(protocols, SPAN("all")))
		return true;
	return list_has(protocols,
	    a->family == AF_INET6 ? SPAN("ipv6") : SPAN("ipv4"));
}

static bool
is_known(const struct plan_service *s, const struct addr *a)
{
	for (size_t i = 0; i < s->sockets_n; i++)
		if (s->sockets[i].addr.port == a->port &&
		    addr_cmp(&s->sockets[i].addr, a) == 0)
			return true;
	return false;
}

static int
add(struct search *q, struct addr a, bool may_lack)
{
	struct plan_service *s = q->service;

	a.port = q->port;
	if (!is_wanted(q, &a) || is_known(s, &a))
		return 0;
	if (s->sockets_n == FDS_LISTEN_MAX)
		return why_set(q->why, EINVAL, "master.cf", q->line->line,
		    "service %s: more than %d addresses", q->line->name,
		    FDS_LISTEN_MAX);
	s->sockets[s->sockets_n++] = (struct plan_socket){
		.addr = a,
		.may_lack = may_lack,
	};
	return 0;
}

static int
add_literal(struct search *q, struct span literal, bool may_lack)
{
	struct addr a;

	must(addr_parse(literal, &a));
	return add(q, a, may_lack);
}

static int
add_host(struct search *q, struct span host)
{
	struct addr found[HOSTS_ADDRS_MAX];
	size_t n;
	int err = 0;

	if (addr_parse(host, &found[0]) && found[0].family != AF_UNIX)
		return add(q, found[0], false);
	n = hosts_find(hosts_file, host, found);
	if (n == 0)
		return why_set(q->why, EINVAL, "master.cf", q->line->line,
		    "service %s: %.*s is no address and not in %s",
		    q->line->name, (int)host.n, host.p, hosts_file);
	for (size_t i = 0; i < n && !err; i++)
		err = add(q, found[i], true);
	return err;
}

static int
add_interface(struct search *q, struct span word)
{
	int err;

	if (span_ieq(word, SPAN("all"))) {
		err = add_literal(q, SPAN("0.0.0.0"), false);
		return err ? err : add_literal(q, SPAN("::"), true);
	}
	if (span_ieq(word, SPAN("loopback-only"))) {
		err = add_literal(q, SPAN("127.0.0.1"), false);
		return err ? err : add_literal(q, SPAN("::1"), true);
	}
	return add_host(q, word);
}

static int
add_interfaces(struct search *q)
{
	struct span rest = span_str(q->params->inet_interfaces);
	struct span word;
	int err = 0;

	while (!err && conf_list_next(&rest, &word))
		err = add_interface(q, word);
	return err;
}

/* Cuts HOST:PORT at its last colon. False: there is only a port. */
static bool
split(struct span name, struct span *host_r, struct span *port_r)
{
	const char *colon = memrchr(name.p, ':', name.n);

	*port_r = name;
	if (!colon)
		return false;
	*host_r = (struct span){ name.p, (size_t)(colon - name.p) };
	port_r->p = colon + 1;
	port_r->n = name.n - host_r->n - 1;
	return true;
}

int
interfaces_find(const struct plan_params *params, const struct service_line *l,
    struct plan_service *s, struct why *why)
{
	struct search q = { params, l, s, 0, why };
	struct span host = SPAN("");
	struct span port;
	bool has_host = split(span_str(l->name), &host, &port);
	int err;

	if (!port_find(services_file, span_str(params->known_tcp_ports), port,
		&q.port))
		return why_set(why, EINVAL, "master.cf", l->line,
		    "service %s: %.*s is no port and not in %s", l->name,
		    (int)port.n, port.p, services_file);
	err = has_host && host.n > 0 ? add_host(&q, host) : add_interfaces(&q);
	if (!err && s->sockets_n == 0)
		return why_set(why, EINVAL, "master.cf", l->line,
		    "service %s: inet_interfaces and inet_protocols leave no "
		    "address",
		    l->name);
	return err;
}

static int
bind_to(int fd, const struct addr *a)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(a, &sa);
	int on = 1;

	/* What is accepted inherits TCP_NODELAY: one call here, none there. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (a->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

int
interfaces_bind(const struct addr *a)
{
	int fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	int err = fd < 0 ? -errno : bind_to(fd, a);

	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}
