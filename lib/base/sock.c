#include "base/sock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 511
};

/* Room for the descriptors of one packet, aligned as the kernel wants it. */
union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(SOCK_FDS_MAX * sizeof(int))];
};

static int
make_address(const char *path, struct sockaddr_un *addr_r)
{
	*addr_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr_r->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr_r->sun_path, path, strlen(path) + 1);
	return 0;
}

static int
make_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Closes `fd` and returns -errno as it was before. */
static int
give_up(int fd)
{
	int error = errno;

	close(fd);
	return -error;
}

int
sock_unix_connect(const char *path)
{
	struct sockaddr_un addr;
	int err = make_address(path, &addr);
	int fd = err ? err : make_socket(SOCK_SEQPACKET);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return give_up(fd);
	return fd;
}

/* The mode is set before anybody can know the socket: connect() needs it. */
int
sock_unix_listen(const char *path, int type, mode_t mode)
{
	struct sockaddr_un addr;
	int err = make_address(path, &addr);
	int fd = err ? err : make_socket(type);

	if (fd < 0)
		return fd;
	if (unlink(path) < 0 && errno != ENOENT)
		return give_up(fd);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		return give_up(fd);
	return fd;
}

int
sock_pair(int fds_r[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds_r) < 0)
		return -errno;
	return 0;
}

static void
attach(struct msghdr *msg, union control *control, const int *fds, size_t n)
{
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));

	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

int
sock_send(int fd, struct span packet, const int *fds, size_t n)
{
	struct iovec iov = { .iov_len = packet.n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };

	must(n <= SOCK_FDS_MAX);
	memcpy(&iov.iov_base, &packet.p,
	    sizeof(packet.p)); /* it is not written */
	if (n > 0)
		attach(&msg, &control, fds, n);
	while (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void
detach(struct msghdr *msg, int fds_r[SOCK_FDS_MAX], size_t *n_r)
{
	*n_r = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		must(n <= SOCK_FDS_MAX - *n_r);
		memcpy(fds_r + *n_r, CMSG_DATA(c), n * sizeof(int));
		*n_r += n;
	}
}

static void
close_all(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

ssize_t
sock_recv(int fd, char *to, size_t max, int fds_r[SOCK_FDS_MAX], size_t *n_r)
{
	struct iovec iov = { .iov_base = to, .iov_len = max };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	*n_r = 0;
	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	detach(&msg, fds_r, n_r);
	if (!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return n;
	close_all(fds_r, *n_r);
	*n_r = 0;
	return -EMSGSIZE;
}

bool
sock_wait_input(int fd, int64_t ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms > INT32_MAX ? -1 : (int)ms) > 0;
}

int
sock_peer(int fd, struct sock_peer *peer_r)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*peer_r = (struct sock_peer){ cred.pid, cred.uid, cred.gid };
	return 0;
}
