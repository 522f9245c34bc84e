#include "dict/server/talk.h"

#include "base/clock.h"
#include "base/scan.h"
#include "net/hosts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	TALK_MAX = 128 << 10, /* bytes that are there to be taken */
};

struct talk {
	int fd;
	size_t taken; /* of ->in, by the caller of last time */
	size_t n;
	char in[TALK_MAX];
};

static bool
fail(struct why *why, int err, const char *what)
{
	why_set(why, err, NULL, 0, "%s: %s", what, strerror(err));
	return false;
}

static bool
wait_for(int fd, short events, int64_t deadline, struct why *why)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		int64_t left = deadline - clock_mono();

		n = left > 0 ? poll(&p, 1, (int)left) : 0;
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return true;
	return fail(why, n < 0 ? errno : ETIMEDOUT, "the server");
}

/* "host:port", "[addr]:port". */
static bool
find_addr(struct span text, struct addr *addr_r)
{
	struct addr all[HOSTS_ADDRS_MAX];
	const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
	struct span host, port;
	uint64_t number;

	if (!colon)
		return false;
	host = (struct span){ text.p, (size_t)(colon - text.p) };
	port = (struct span){ colon + 1, text.n - host.n - 1 };
	if (!take_number(&port, UINT16_MAX, &number) || port.n > 0)
		return false;
	if (!addr_parse(host, addr_r)) {
		if (hosts_find("/etc/hosts", host, all) == 0)
			return false;
		*addr_r = all[0];
	}
	addr_r->port = (uint16_t)number;
	return true;
}

/* Returns the length of the address, or 0: it is none. */
static socklen_t
read_host(const char *host, struct sockaddr_storage *sa)
{
	struct span text = span_str(host);
	struct sockaddr_un *un = (struct sockaddr_un *)sa;
	struct addr a;

	*sa = (struct sockaddr_storage){ 0 };
	if (take_text(&text, SPAN("unix:"))) {
		if (text.n == 0 || text.n >= sizeof(un->sun_path))
			return 0;
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, text.p, text.n);
		return sizeof(*un);
	}
	(void)!take_text(&text, SPAN("inet:"));
	return find_addr(text, &a) ? addr_to_sockaddr(&a, sa) : 0;
}

static bool
connect_to(int fd, const struct sockaddr_storage *sa, socklen_t n,
    int64_t deadline, struct why *why)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (connect(fd, (const struct sockaddr *)sa, n) == 0)
		return true;
	if (errno != EINPROGRESS)
		return fail(why, errno, "connecting");
	if (!wait_for(fd, POLLOUT, deadline, why))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	return err == 0 || fail(why, err, "connecting");
}

static void
close_it(void *conn)
{
	struct talk *w = conn;

	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void *
open_it(const struct server_target *t, struct why *why)
{
	struct sockaddr_storage sa;
	socklen_t n = read_host(t->host, &sa);
	struct talk *w;

	if (n == 0) {
		why_set(why, EINVAL, NULL, 0,
		    "allowed is unix:/path or inet:address:port; a name must be "
		    "in /etc/hosts");
		return NULL;
	}
	w = zalloc(sizeof(*w));
	w->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (w->fd >= 0 && connect_to(w->fd, &sa, n, t->deadline, why))
		return w;
	if (w->fd < 0)
		(void)fail(why, errno, "a socket");
	close_it(w);
	return NULL;
}

const struct server_link talk_link = { open_it, close_it, NULL };

bool
talk_put(struct talk *w, struct span bytes, int64_t deadline, struct why *why)
{
	while (bytes.n > 0) {
		ssize_t n = send(w->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(why, errno, "sending");
		if (n < 0 && !wait_for(w->fd, POLLOUT, deadline, why))
			return false;
		if (n > 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
		}
	}
	return true;
}

/* What was handed out last is done with. */
static void
drop_taken(struct talk *w)
{
	memmove(w->in, w->in + w->taken, w->n - w->taken);
	w->n -= w->taken;
	w->taken = 0;
}

static bool
read_more(struct talk *w, int64_t deadline, struct why *why)
{
	ssize_t n = -1;

	if (w->n == sizeof(w->in))
		return fail(why, EMSGSIZE, "the server's answer");
	while (n < 0) {
		if (!wait_for(w->fd, POLLIN, deadline, why))
			return false;
		n = recv(w->fd, w->in + w->n, sizeof(w->in) - w->n, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(why, errno, "receiving");
	}
	if (n == 0)
		return fail(why, ECONNRESET, "the server");
	w->n += (size_t)n;
	return true;
}

bool
talk_until(struct talk *w, char end, size_t max, struct span *text_r,
    int64_t deadline, struct why *why)
{
	const char *at;

	drop_taken(w);
	while (!(at = memchr(w->in, end, w->n))) {
		if (w->n > max)
			return fail(why, EMSGSIZE, "the server's answer");
		if (!read_more(w, deadline, why))
			return false;
	}
	*text_r = (struct span){ w->in, (size_t)(at - w->in) };
	w->taken = text_r->n + 1;
	return text_r->n <= max || fail(why, EMSGSIZE, "the server's answer");
}

bool
talk_take(struct talk *w, size_t n, struct span *text_r, int64_t deadline,
    struct why *why)
{
	drop_taken(w);
	while (w->n < n)
		if (!read_more(w, deadline, why))
			return false;
	*text_r = (struct span){ w->in, n };
	w->taken = n;
	return true;
}
