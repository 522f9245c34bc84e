#include "smtp/dial.h"

#include "task/task.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
	NAME_MAX_LEN = 512,
};

static void
close_fd(int *fd)
{
	task_close(*fd);
}

static int
bind_own(const struct dial *d, int fd, int family)
{
	const struct addr *a = family == AF_INET6 ? &d->bind6 : &d->bind4;
	struct sockaddr_storage sa;
	socklen_t len;

	if (a->family != family)
		return 0;
	len = addr_to_sockaddr(a, &sa);
	return bind(fd, (const struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

static int
wait_connected(const struct dial *d, int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	switch (task_wait_fd(fd, TASK_OUTPUT,
	    task_after(d->timeout ? d->timeout : INT32_MAX))) {
	case TASK_READY:
		break;
	case TASK_TIMEOUT:
		return -ETIMEDOUT;
	case TASK_CANCELLED:
		return -ECANCELED;
	case TASK_FAILED:
		return -EIO;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

int
dial_connect(const struct dial *d, const struct addr *a)
{
	int fd CLEANUP(close_fd) = socket(a->family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(a, &sa);
	int on = 1, err, made;

	if (fd < 0)
		return -errno;
	if (a->family != AF_UNIX) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		err = bind_own(d, fd, a->family);
		if (err)
			return err;
	}
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0) {
		if (errno != EINPROGRESS && errno != EINTR)
			return -errno;
		err = wait_connected(d, fd);
		if (err)
			return err;
	}
	made = fd;
	fd = -1;
	return made;
}

/* "NAME[ADDR]" and, but for a Unix socket, ":PORT". */
static void
put_name(struct buf *out, const struct host *h, bool port)
{
	buf_put(out, span_str(h->name));
	buf_put(out, SPAN("["));
	if (h->addr.family == AF_UNIX)
		buf_put(out, span_str(h->addr.path));
	else
		addr_put(out, &h->addr);
	buf_put(out, SPAN("]"));
	if (port && h->addr.family != AF_UNIX)
		buf_putf(out, ":%u", (unsigned)h->addr.port);
}

const char *
dial_name(struct arena *a, const struct host *h, bool port)
{
	char text[NAME_MAX_LEN];
	struct buf b;
	const char *s;

	buf_init(&b, text, sizeof(text));
	put_name(&b, h, port);
	s = arena_dup(a, buf_span(&b));
	must(s); /* a name has 255 bytes, and the arena is new */
	return s;
}
