/*
 * preload - makes the n-th call of a running daemon fail, or its last.
 *
 * tests/faults.py loads this into one program of a suite and says by a file that
 * both have mapped which call it is to be. Counted are the calls that go wrong
 * on real machines: files, names, syncs, sockets, processes. The log, and what
 * wakes a loop, are left alone. Nothing of a release knows of this.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	LOG_FD = 3, /* FDS_LOG of service/fds.h */
	OFF = 0,
	FAIL = 1,
	KILL = 2,
};

/* As tests/faults.py packs it. */
struct orders {
	char program[32];
	_Atomic uint32_t mode;
	_Atomic uint32_t calls; /* since it was armed */
	uint32_t nth;
	int32_t error;
	_Atomic uint32_t fired;
	char what[32]; /* the call */
	char only[32]; /* if set, no other is counted */
};

static struct orders *orders;

/* Of the C library, or of a sanitizer. */
static void *
real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

/* At the first call, which every program makes while it may open files. */
static void
read_orders(void)
{
	static bool done;
	int (*do_open)(const char *, int, ...);
	const char *path;

	if (done)
		return;
	done = true;
	path = getenv("POSTRIDER_FAULTS");
	if (!path)
		return;
	do_open = (int (*)(const char *, int, ...))real("open64");
	int fd = do_open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	struct orders *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	/* Who inherits this is another program. */
	if (o != MAP_FAILED &&
	    strcmp(o->program, program_invocation_short_name) == 0)
		orders = o;
}

static bool
is_the_one(const char *call)
{
	read_orders();
	if (!orders || orders->mode == OFF || orders->fired ||
	    (orders->only[0] && strcmp(orders->only, call) != 0) ||
	    ++orders->calls != orders->nth)
		return false;
	snprintf(orders->what, sizeof(orders->what), "%s", call);
	orders->fired = 1;
	return true;
}

/* Returns only if it is to be an error. */
static void
strike(void)
{
	if (orders->mode == KILL)
		syscall(SYS_tgkill, getpid(), gettid(), SIGKILL);
	errno = orders->error;
}

static bool
fails(const char *call)
{
	if (!is_the_one(call))
		return false;
	strike();
	return true;
}

static bool
matters(int fd)
{
	struct stat st;
	int error = errno;
	bool is = fd != LOG_FD && fd > 2 && syscall(SYS_fstat, fd, &st) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode) ||
		S_ISFIFO(st.st_mode));

	errno = error;
	return is;
}

static bool
is_file(int fd)
{
	struct stat st;

	return syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
was_written(int fd)
{
	int error = errno;
	int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
	bool was = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && is_file(fd);

	errno = error;
	return was;
}

/* A call that does nothing when it fails. */
#define HOOK(type, bad, name, when, params, args) \
	type name params \
	{ \
		static type(*f) params; \
		if (!f) \
			f = (type(*) params)real(#name); \
		if ((when) && fails(#name)) \
			return (bad); \
		return f args; \
	}

/* One that fails, or ends, when half of it was done. */
#define HALF(name, params, half, args) \
	ssize_t name params \
	{ \
		static ssize_t(*f) params; \
		if (!f) \
			f = (ssize_t(*) params)real(#name); \
		if (matters(fd) && is_the_one(#name)) { \
			if (is_file(fd)) \
				(void)!f half; \
			strike(); \
			return -1; \
		} \
		return f args; \
	}

#define OPEN(name, params, args) \
	int name params \
	{ \
		static int(*f) params; \
		va_list ap; \
		if (!f) \
			f = (int(*) params)real(#name); \
		va_start(ap, flags); \
		unsigned mode = flags & (O_CREAT | O_TMPFILE) \
		    ? va_arg(ap, unsigned) \
		    : 0; \
		va_end(ap); \
		return fails(#name) ? -1 : f args; \
	}

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int dir, const char *path, int flags, ...),
    (dir, path, flags, mode))
OPEN(openat64, (int dir, const char *path, int flags, ...),
    (dir, path, flags, mode))

HALF(write, (int fd, const void *p, size_t n), (fd, p, n / 2), (fd, p, n))
HALF(pwrite64, (int fd, const void *p, size_t n, off64_t at),
    (fd, p, n / 2, at), (fd, p, n, at))
HALF(writev, (int fd, const struct iovec *v, int n), (fd, v, n - 1), (fd, v, n))
HALF(pwritev64, (int fd, const struct iovec *v, int n, off64_t at),
    (fd, v, n - 1, at), (fd, v, n, at))

HOOK(ssize_t, -1, read, matters(fd), (int fd, void *p, size_t n), (fd, p, n))
HOOK(ssize_t, -1, pread64, true, (int fd, void *p, size_t n, off64_t at),
    (fd, p, n, at))
HOOK(ssize_t, -1, send, fd != LOG_FD,
    (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
HOOK(ssize_t, -1, sendmsg, fd != LOG_FD,
    (int fd, const struct msghdr *m, int flags), (fd, m, flags))
HOOK(ssize_t, -1, recv, true, (int fd, void *p, size_t n, int flags),
    (fd, p, n, flags))
HOOK(ssize_t, -1, recvmsg, true, (int fd, struct msghdr *m, int flags),
    (fd, m, flags))
HOOK(int, -1, connect, true, (int fd, __CONST_SOCKADDR_ARG to, socklen_t n),
    (fd, to, n))
HOOK(int, -1, accept4, true,
    (int fd, __SOCKADDR_ARG from, socklen_t *n, int flags),
    (fd, from, n, flags))
HOOK(int, -1, socket, true, (int family, int type, int protocol),
    (family, type, protocol))
HOOK(int, -1, socketpair, true,
    (int family, int type, int protocol, int fds[2]),
    (family, type, protocol, fds))
HOOK(int, -1, pipe2, true, (int fds[2], int flags), (fds, flags))
HOOK(pid_t, -1, fork, true, (void), ())
HOOK(int, -1, fsync, true, (int fd), (fd))
HOOK(int, -1, fdatasync, true, (int fd), (fd))
HOOK(int, -1, syncfs, true, (int fd), (fd))
HOOK(int, -1, flock, true, (int fd, int how), (fd, how))
HOOK(int, -1, fchmod, true, (int fd, mode_t mode), (fd, mode))
HOOK(int, -1, ftruncate64, true, (int fd, off64_t length), (fd, length))
HOOK(int, -1, futimens, true, (int fd, const struct timespec t[2]), (fd, t))
HOOK(int, -1, fstat64, matters(fd), (int fd, struct stat64 *st), (fd, st))
HOOK(int, -1, fstatat64, true,
    (int dir, const char *path, struct stat64 *st, int flags),
    (dir, path, st, flags))
HOOK(int, -1, mkdirat, true, (int dir, const char *path, mode_t mode),
    (dir, path, mode))
HOOK(int, -1, link, true, (const char *from, const char *to), (from, to))
HOOK(int, -1, linkat, true,
    (int from_dir, const char *from, int to_dir, const char *to, int flags),
    (from_dir, from, to_dir, to, flags))
HOOK(int, -1, rename, true, (const char *from, const char *to), (from, to))
HOOK(int, -1, renameat, true,
    (int from_dir, const char *from, int to_dir, const char *to),
    (from_dir, from, to_dir, to))
HOOK(int, -1, renameat2, true,
    (int from_dir, const char *from, int to_dir, const char *to,
	unsigned flags),
    (from_dir, from, to_dir, to, flags))
HOOK(int, -1, unlink, true, (const char *path), (path))
HOOK(int, -1, unlinkat, true, (int dir, const char *path, int flags),
    (dir, path, flags))
HOOK(DIR *, NULL, opendir, true, (const char *path), (path))
HOOK(DIR *, NULL, fdopendir, true, (int fd), (fd))
HOOK(void *, MAP_FAILED, mmap64, true,
    (void *at, size_t n, int access, int flags, int fd, off64_t from),
    (at, n, access, flags, fd, from))

/* It is closed all the same, as Linux does it. */
int
close(int fd)
{
	static int (*f)(int);

	if (!f)
		f = (int (*)(int))real("close");
	if (!was_written(fd) || !is_the_one("close"))
		return f(fd);
	if (orders->mode == FAIL)
		(void)f(fd);
	strike();
	return -1;
}

/* Of those that the C library has no name for only openat2 is counted. */
long
syscall(long number, ...)
{
	static long (*f)(long, ...);
	long a[6];
	va_list ap;

	if (!f)
		f = (long (*)(long, ...))real("syscall");
	va_start(ap, number);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2 && fails("openat2"))
		return -1;
	return f(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
