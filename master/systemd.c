#include "master/systemd.h"

#include "base/log.h"
#include "base/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	FIRST_FD = 3,
	GIVEN_MAX = 64,
};

static struct given {
	int fd; /* -1: it was adopted */
	struct addr addr;
	bool dual; /* takes IPv4 too */
} given[GIVEN_MAX];

static size_t given_n;
static struct sockaddr_un manager; /* ->sun_family 0: there is none */
static socklen_t manager_len;

static uint64_t
number_of(const char *name)
{
	const char *text = getenv(name);
	struct span s = span_str(text ? text : "");
	uint64_t n;

	return take_number(&s, INT32_MAX, &n) && s.n == 0 ? n : 0;
}

static void
take_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(manager.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, path, n);
	if (path[0] == '@')
		manager.sun_path[0] = '\0';
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static bool
is_listening_stream(int fd)
{
	int listens = 0, type = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	    listens && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_STREAM;
}

static bool
takes_both(int fd, const struct sockaddr_storage *sa)
{
	int only = 1;
	socklen_t len = sizeof(only);

	return sa->ss_family == AF_INET6 &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 &&
	    !only;
}

/* False: that is nothing we could serve. */
static bool
take_socket(int fd)
{
	struct given *g = &given[given_n];
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || !is_listening_stream(fd) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    !addr_from_sockaddr((struct sockaddr *)&sa, &g->addr) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return false;
	g->fd = fd;
	g->dual = takes_both(fd, &sa);
	given_n++;
	return true;
}

void
systemd_take(void)
{
	uint64_t n = number_of("LISTEN_FDS");

	take_manager();
	if (number_of("LISTEN_PID") != (uint64_t)getpid())
		return;
	for (uint64_t i = 0; i < n && i < GIVEN_MAX; i++)
		if (!take_socket(FIRST_FD + (int)i))
			log_warning("descriptor %d of LISTEN_FDS is no "
				    "listening socket of IPv4 or IPv6",
			    FIRST_FD + (int)i);
}

static bool
is_any(const struct addr *a)
{
	for (size_t i = 0; i < addr_bits(a) / 8; i++)
		if (a->bytes[i])
			return false;
	return true;
}

int
systemd_adopt(const struct addr *a, bool *covered_r)
{
	*covered_r = false;
	for (size_t i = 0; i < given_n; i++) {
		struct given *g = &given[i];
		int fd = g->fd;

		if (g->addr.port != a->port)
			continue;
		if (fd >= 0 && addr_cmp(&g->addr, a) == 0) {
			g->fd = -1;
			return fd;
		}
		if (g->dual && a->family == AF_INET && is_any(&g->addr) &&
		    is_any(a))
			*covered_r = true;
	}
	return -1;
}

void
systemd_close_rest(void)
{
	for (size_t i = 0; i < given_n; i++) {
		char text[ADDR_TEXT_MAX];
		struct buf b;

		if (given[i].fd < 0)
			continue;
		buf_init(&b, text, sizeof(text));
		addr_put_port(&b, &given[i].addr);
		log_warning("no service is for the socket %.*s that was given",
		    (int)b.n, b.p);
		close(given[i].fd);
		given[i].fd = -1;
	}
}

static void
tell(const char *text)
{
	int fd;

	if (!manager.sun_family)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		(const struct sockaddr *)&manager, manager_len) < 0)
		log_warning("the service manager cannot be told: %s",
		    strerror(errno));
	if (fd >= 0)
		close(fd);
}

void
systemd_ready(void)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=ready\nMAINPID=%d",
	    (int)getpid());
	tell(text);
}

/* It wants to know when, in its clock, to tell this reload from the one before. */
void
systemd_reloading(void)
{
	char text[96];
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text),
	    "RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	tell(text);
}

void
systemd_stopping(void)
{
	tell("STOPPING=1\nSTATUS=stopping");
}
