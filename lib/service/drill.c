#include "service/drill.h"

#ifdef TEST_HOOKS

#include "base/log.h"
#include "base/span.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ORDERS_MAX = 128,
	LINE_MAX_LEN = 1024,
	NOBODY_PID = 0x3ffffff, /* above all that are */
};

/* Returns < 0 with errno set if it failed. */
typedef long try_fn(const char *what, const char *more);

static char orders[ORDERS_MAX][LINE_MAX_LEN];
static size_t orders_n;

/* Sockets of ours from before, as accepted ones are. */
static int old_sockets[2] = { -1, -1 };

static long
closed(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

static long
try_read(const char *what, const char *more)
{
	(void)more;
	return closed(open(what, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

static long
try_write(const char *what, const char *more)
{
	(void)more;
	return closed(open(what, O_WRONLY | O_CLOEXEC | O_NONBLOCK));
}

static long
try_make(const char *what, const char *more)
{
	(void)more;
	return closed(open(what, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static long
try_list(const char *what, const char *more)
{
	char entries[1024];
	int fd = open(what, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n = fd < 0 ? -1
			: syscall(SYS_getdents64, fd, entries, sizeof(entries));
	int error = errno;

	(void)more;
	closed(fd);
	errno = error;
	return n;
}

static long
try_remove(const char *what, const char *more)
{
	(void)more;
	return unlink(what);
}

static long
try_rename(const char *what, const char *more)
{
	return rename(what, more);
}

static long
try_link(const char *what, const char *more)
{
	return link(what, more);
}

static long
try_mkdir(const char *what, const char *more)
{
	(void)more;
	return mkdir(what, 0700);
}

/* Connects `fd`, which is closed, to an address and port. */
static long
connect_to(int fd, const char *what, const char *more)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	uint16_t port = htons((uint16_t)strtoul(more, NULL, 10));
	int r, error;

	in.sin_port = in6.sin6_port = port;
	if (inet_pton(AF_INET, what, &in.sin_addr) == 1)
		r = connect(fd, (struct sockaddr *)&in, sizeof(in));
	else if (inet_pton(AF_INET6, what, &in6.sin6_addr) == 1)
		r = connect(fd, (struct sockaddr *)&in6, sizeof(in6));
	else
		r = -1;
	error = errno;
	closed(fd);
	errno = error;
	return r;
}

static int
family_of(const char *what)
{
	return strchr(what, ':') ? AF_INET6 : AF_INET;
}

static long
try_tcp(const char *what, const char *more)
{
	int fd = socket(family_of(what), SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect_to(fd, what, more);
}

static long
try_udp(const char *what, const char *more)
{
	int fd = socket(family_of(what), SOCK_DGRAM, 0);

	return fd < 0 ? -1 : connect_to(fd, what, more);
}

/* With a socket that it has, as a server has its clients'. */
static long
try_reuse(const char *what, const char *more)
{
	return connect_to(dup(old_sockets[0]), what, more);
}

static long
try_listen(const char *what, const char *more)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = old_sockets[1], r;

	(void)more;
	in.sin_port = htons((uint16_t)strtoul(what, NULL, 10));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ? listen(fd, 1)
							      : -1;
	if (r == 0)
		close(fd);
	return r;
}

static long
connect_unix(int fd, const char *what)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int r, error;

	if (fd < 0)
		return -1;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", what);
	if (un.sun_path[0] == '@')
		un.sun_path[0] = '\0';
	r = connect(fd, (struct sockaddr *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(what)));
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static long
try_unix(const char *what, const char *more)
{
	(void)more;
	return connect_unix(socket(AF_UNIX, SOCK_SEQPACKET, 0), what);
}

static long
try_pair(const char *what, const char *more)
{
	int fds[2];

	(void)what;
	(void)more;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0)
		return -1;
	close(fds[0]);
	return close(fds[1]);
}

/* A program that is not there: that it is looked for is bad enough. */
static long
try_exec(const char *what, const char *more)
{
	char *const argv[] = { NULL };

	(void)more;
	return execve(what, argv, argv);
}

static long
try_fork(const char *what, const char *more)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)what;
	(void)more;
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static long
try_ptrace(const char *what, const char *more)
{
	(void)what;
	(void)more;
	return ptrace(PTRACE_ATTACH, NOBODY_PID, NULL, NULL);
}

static long
try_look(const char *what, const char *more)
{
	char byte;
	struct iovec to = { &byte, 1 };

	(void)what;
	(void)more;
	return process_vm_readv(getpid(), &to, 1, &to, 1, 0);
}

static long
try_signal(const char *what, const char *more)
{
	(void)what;
	(void)more;
	return kill(getpid(), 0);
}

/* Of this thread alone: by the system call. */
static long
try_become(const char *what, const char *more)
{
	long uid = strtol(what, NULL, 10);

	(void)more;
	return syscall(SYS_setresuid, uid, uid, uid);
}

static long
try_chroot(const char *what, const char *more)
{
	(void)more;
	return chroot(what);
}

static long
try_unshare(const char *what, const char *more)
{
	(void)what;
	(void)more;
	return unshare(0);
}

static long
try_mount(const char *what, const char *more)
{
	(void)more;
	return mount("none", what, "tmpfs", 0, NULL);
}

static long
try_code(const char *what, const char *more)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)what;
	(void)more;
	return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long
try_dumpable(const char *what, const char *more)
{
	(void)what;
	(void)more;
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -1 : prctl(PR_SET_DUMPABLE, 0);
}

static long
try_uring(const char *what, const char *more)
{
	struct io_uring_params p = { 0 };

	(void)what;
	(void)more;
	return closed((int)syscall(SYS_io_uring_setup, 1, &p));
}

static long
try_memfd(const char *what, const char *more)
{
	(void)more;
	return closed(memfd_create(what, 0));
}

static long
try_raise(const char *what, const char *more)
{
	(void)what;
	(void)more;
	return fcntl(STDIN_FILENO, F_SETOWN, getpid());
}

static const struct {
	const char *name;
	try_fn *try;
} tries[] = {
	{ "become", try_become },
	{ "chroot", try_chroot },
	{ "code", try_code },
	{ "dumpable", try_dumpable },
	{ "exec", try_exec },
	{ "fork", try_fork },
	{ "link", try_link },
	{ "list", try_list },
	{ "listen", try_listen },
	{ "look", try_look },
	{ "make", try_make },
	{ "memfd", try_memfd },
	{ "mkdir", try_mkdir },
	{ "mount", try_mount },
	{ "pair", try_pair },
	{ "ptrace", try_ptrace },
	{ "raise", try_raise },
	{ "read", try_read },
	{ "remove", try_remove },
	{ "rename", try_rename },
	{ "reuse", try_reuse },
	{ "signal", try_signal },
	{ "tcp", try_tcp },
	{ "udp", try_udp },
	{ "unix", try_unix },
	{ "unshare", try_unshare },
	{ "uring", try_uring },
	{ "write", try_write },
};

static void
try_one(const char *order)
{
	char line[LINE_MAX_LEN];
	char *what, *more, *name = line;

	snprintf(line, sizeof(line), "%s", order);
	what = strchr(line, ' ');
	what = what ? (*what = '\0', what + 1) : line + strlen(line);
	more = strchr(what, ' ');
	more = more ? (*more = '\0', more + 1) : what + strlen(what);
	for (size_t i = 0; i < COUNT_OF(tries); i++)
		if (strcmp(name, tries[i].name) == 0) {
			long r = tries[i].try(what, more);

			log_info("drill: %s: %s", order,
			    r < 0 ? strerrorname_np(errno) : "done");
			return;
		}
	log_error("drill: %s: there is no such thing", order);
}

void
drill_run(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < orders_n; i++)
		try_one(orders[i]);
	log_info("drill: end");
}

void
drill_read(const char *dir, const char *program)
{
	char path[LINE_MAX_LEN], line[LINE_MAX_LEN];
	size_t n = strlen(program);
	FILE *f;

	snprintf(path, sizeof(path), "%s/drill", dir);
	f = fopen(path, "re");
	if (!f)
		return;
	while (orders_n < ORDERS_MAX && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, program, n) == 0 && line[n] == ' ')
			snprintf(orders[orders_n++], LINE_MAX_LEN, "%s",
			    line + n + 1);
	}
	fclose(f);
	for (size_t i = 0; i < COUNT_OF(old_sockets); i++)
		old_sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

#endif
