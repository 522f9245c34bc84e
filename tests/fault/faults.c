#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The C library's own; declared here as the linker makes their names. */
#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

enum {
	FILES_MAX = 64,
	NAMES_MAX = 256,
	OLD_MAX = 4096, /* bytes at a file's front that can be restored */
};

/* A file with data that is not synced, and how it was before. */
static struct file {
	dev_t dev;
	ino_t ino;
	int fd; /* our own, for when the owner has closed his */
	off_t length;
	char old[OLD_MAX];
	ssize_t old_n;
} files[FILES_MAX];
static size_t files_n;

/* A name that came since the last commit. With ->old_name it was a rename. */
static struct name {
	int dir;
	char name[256];
	int old_dir;
	char old_name[256];
	int remove_flag;
} names[NAMES_MAX];
static size_t names_n;

static enum fault_mode mode;
static unsigned calls;
static unsigned nth;
static int error;

int __real_unlinkat(int dir, const char *name, int flags);
int __real_renameat(int a, const char *b, int c, const char *d);
int __real_ftruncate64(int fd, off_t length);
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __real_pread64(int fd, void *p, size_t n, off_t at);
int __real_fstat64(int fd, struct stat *st);
int __real_open64(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *p, size_t n);

static const char *boot_file;

void
fault_set_boot(const char *path)
{
	boot_file = path;
}

void
fault_set(enum fault_mode m, unsigned n, int e)
{
	mode = m;
	nth = n;
	error = e;
	calls = 0;
}

unsigned
fault_count(void)
{
	return calls;
}

static void
undo_names(void)
{
	while (names_n > 0) {
		struct name *n = &names[--names_n];

		if (n->old_name[0])
			__real_renameat(n->dir, n->name, n->old_dir,
			    n->old_name);
		else
			__real_unlinkat(n->dir, n->name, n->remove_flag);
	}
}

static void
lose_data(void)
{
	for (size_t i = 0; i < files_n; i++) {
		struct file *f = &files[i];

		if (f->old_n > 0 &&
		    __real_pwrite64(f->fd, f->old, (size_t)f->old_n, 0) < 0)
			abort();
		if (__real_ftruncate64(f->fd, f->length) < 0)
			abort();
	}
}

static void
end(void)
{
	if (mode != FAULT_KILL)
		lose_data();
	if (mode == FAULT_CUT_NAMES)
		undo_names();
	_exit(FAULT_EXIT);
}

static bool
is_the_one(void)
{
	return ++calls == nth && mode != FAULT_NONE;
}

/* Before a call that writes nothing. True: it fails. */
static bool
fails(void)
{
	if (!is_the_one())
		return false;
	if (mode != FAULT_ERROR)
		end();
	errno = error;
	return true;
}

static bool
is_cut(void)
{
	return mode == FAULT_CUT_NAMES || mode == FAULT_CUT_DATA;
}

static void
note_name(int dir, const char *name, int old_dir, const char *old_name,
    int remove_flag)
{
	struct name *n = &names[names_n];

	if (!is_cut())
		return;
	if (names_n++ == NAMES_MAX)
		abort();
	*n = (struct name){ .dir = dup(dir), .remove_flag = remove_flag };
	snprintf(n->name, sizeof(n->name), "%s", name);
	if (!old_name)
		return;
	n->old_dir = dup(old_dir);
	snprintf(n->old_name, sizeof(n->old_name), "%s", old_name);
}

static struct file *
find_file(int fd, struct stat *st)
{
	if (__real_fstat64(fd, st) < 0)
		abort();
	for (size_t i = 0; i < files_n; i++)
		if (files[i].dev == st->st_dev && files[i].ino == st->st_ino)
			return &files[i];
	return NULL;
}

/* By a descriptor that can be read, whatever the writer's can do. */
static int
open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return __real_open64(path, O_RDWR | O_CLOEXEC);
}

static void
note_data(int fd)
{
	struct stat st;

	if (!is_cut() || find_file(fd, &st))
		return;
	struct file *f = &files[files_n];
	if (files_n++ == FILES_MAX)
		abort();
	*f = (struct file){ .dev = st.st_dev, .ino = st.st_ino };
	f->fd = open_again(fd);
	f->length = st.st_size;
	f->old_n = __real_pread64(f->fd, f->old, sizeof(f->old), 0);
}

static void
commit(int fd)
{
	struct stat st;
	struct file *f;

	if (!is_cut())
		return;
	f = find_file(fd, &st);
	if (f) {
		close(f->fd);
		*f = files[--files_n];
	}
	while (names_n > 0) {
		struct name *n = &names[--names_n];

		close(n->dir);
		if (n->old_name[0])
			close(n->old_dir);
	}
}

WRAP(int, open64, const char *path, int flags, ...)
{
	if (boot_file && strstr(path, "/boot_id"))
		path = boot_file;
	return fails() ? -1 : __real_open64(path, flags, 0600);
}

WRAP(int, openat64, int dir, const char *name, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	unsigned mode_bits = flags & O_CREAT ? va_arg(ap, unsigned) : 0;
	va_end(ap);
	if (fails())
		return -1;
	int fd = __real_openat64(dir, name, flags, mode_bits);
	if (fd >= 0 && (flags & O_EXCL))
		note_name(dir, name, 0, NULL, 0);
	return fd;
}

WRAP(long, syscall, long number, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2 && fails())
		return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

WRAP(ssize_t, pread64, int fd, void *p, size_t n, off_t at)
{
	return fails() ? -1 : __real_pread64(fd, p, n, at);
}

WRAP(ssize_t, pwrite64, int fd, const void *p, size_t n, off_t at)
{
	note_data(fd);
	if (is_the_one()) {
		if (mode != FAULT_ERROR) {
			__real_pwrite64(fd, p, n / 2, at);
			end();
		}
		errno = error;
		return -1;
	}
	return __real_pwrite64(fd, p, n, at);
}

ssize_t __real_pwritev64(int fd, const struct iovec *v, int n, off_t at);
ssize_t __real_writev(int fd, const struct iovec *v, int n);

/* Half of it: all pieces but the last, or half of the only one. */
static void
write_half(int fd, const struct iovec *v, int n, off_t at)
{
	struct iovec first = *v;

	if (n == 1)
		first.iov_len /= 2;
	ssize_t done = at < 0
	    ? __real_writev(fd, n == 1 ? &first : v, n == 1 ? 1 : n - 1)
	    : __real_pwritev64(fd, n == 1 ? &first : v, n == 1 ? 1 : n - 1, at);
	(void)done;
}

WRAP(ssize_t, pwritev64, int fd, const struct iovec *v, int n, off_t at)
{
	note_data(fd);
	if (is_the_one()) {
		if (mode != FAULT_ERROR) {
			write_half(fd, v, n, at);
			end();
		}
		errno = error;
		return -1;
	}
	return __real_pwritev64(fd, v, n, at);
}

/* An error comes after half of it: the disk was nearly full. */
WRAP(ssize_t, writev, int fd, const struct iovec *v, int n)
{
	note_data(fd);
	if (is_the_one()) {
		write_half(fd, v, n, -1);
		if (mode != FAULT_ERROR)
			end();
		errno = error;
		return -1;
	}
	return __real_writev(fd, v, n);
}

WRAP(ssize_t, write, int fd, const void *p, size_t n)
{
	struct stat st;

	/* Only to files: a log is no part of what is tested. */
	if (__real_fstat64(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return __real_write(fd, p, n);
	note_data(fd);
	if (is_the_one()) {
		ssize_t half = __real_write(fd, p, n / 2);

		(void)half;
		if (mode != FAULT_ERROR)
			end();
		errno = error;
		return -1;
	}
	return __real_write(fd, p, n);
}

WRAP(int, futimens, int fd, const struct timespec t[2])
{
	return fails() ? -1 : __real_futimens(fd, t);
}

WRAP(int, ftruncate64, int fd, off_t length)
{
	note_data(fd);
	return fails() ? -1 : __real_ftruncate64(fd, length);
}

WRAP(int, fsync, int fd)
{
	if (fails())
		return -1;
	commit(fd);
	return __real_fsync(fd);
}

WRAP(int, fdatasync, int fd)
{
	if (fails())
		return -1;
	commit(fd);
	return __real_fdatasync(fd);
}

WRAP(int, renameat, int from, const char *old, int to, const char *new)
{
	if (fails())
		return -1;
	int r = __real_renameat(from, old, to, new);
	if (r == 0)
		note_name(to, new, from, old, 0);
	return r;
}

WRAP(int, renameat2, int from, const char *old, int to, const char *new,
    unsigned flags)
{
	if (fails())
		return -1;
	int r = __real_renameat2(from, old, to, new, flags);
	if (r == 0)
		note_name(to, new, from, old, 0);
	return r;
}

WRAP(int, linkat, int from, const char *old, int to, const char *new, int flags)
{
	if (fails())
		return -1;
	int r = __real_linkat(from, old, to, new, flags);
	if (r == 0)
		note_name(to, new, 0, NULL, 0);
	return r;
}

WRAP(int, mkdirat, int dir, const char *name, mode_t bits)
{
	if (fails())
		return -1;
	int r = __real_mkdirat(dir, name, bits);
	if (r == 0)
		note_name(dir, name, 0, NULL, AT_REMOVEDIR);
	return r;
}

WRAP(int, unlinkat, int dir, const char *name, int flags)
{
	return fails() ? -1 : __real_unlinkat(dir, name, flags);
}

WRAP(int, fstat64, int fd, struct stat *st)
{
	return fails() ? -1 : __real_fstat64(fd, st);
}

WRAP(int, flock, int fd, int operation)
{
	return fails() ? -1 : __real_flock(fd, operation);
}
