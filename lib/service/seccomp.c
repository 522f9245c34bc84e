#include "service/sandbox-parts.h"

#include "base/scan.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

/* The calls of a word, by name: a kernel or processor may lack some. */
static const struct {
	unsigned word;
	const char *names;
} calls[] = {
	{ SANDBOX_STDIO, /* own descriptors */
	    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 "
	    "pwritev2 close close_range dup dup2 dup3 fcntl fstat newfstatat "
	    "fstatfs lseek ftruncate fallocate fadvise64 fsync fdatasync syncfs "
	    "sync_file_range copy_file_range sendfile splice flock fchmod "
	    "pipe2 eventfd2 timerfd_create timerfd_settime signalfd4 "
	    "epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll "
	    "ppoll select pselect6 socketpair sendto sendmmsg recvfrom "
	    "shutdown getsockopt setsockopt getsockname getpeername" },
	{ SANDBOX_STDIO, /* memory and threads */
	    "brk mmap munmap mremap mprotect madvise mincore membarrier futex "
	    "set_robust_list get_robust_list rseq sched_yield "
	    "sched_getaffinity sched_getparam sched_getscheduler "
	    "set_tid_address arch_prctl prctl exit exit_group" },
	{ SANDBOX_STDIO, /* signals, time, the process itself */
	    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait "
	    "rt_sigpending sigaltstack tgkill restart_syscall pause "
	    "clock_gettime clock_getres clock_nanosleep nanosleep "
	    "gettimeofday time getrandom getpid getppid gettid getuid "
	    "geteuid getgid getegid getresuid getresgid getgroups getrlimit "
	    "prlimit64 getrusage times uname sysinfo getcpu" },
	{ SANDBOX_RECVFD, "sendmsg recvmsg sendmmsg recvmmsg" },
	{ SANDBOX_ACCEPT, "accept accept4" },
	{ SANDBOX_UNIX, "connect" },
	{ SANDBOX_INET, "connect bind" },
	{ SANDBOX_FILES,
	    "open openat openat2 creat stat lstat statx access faccessat "
	    "faccessat2 readlink readlinkat unlink unlinkat rename renameat "
	    "renameat2 link linkat symlink symlinkat mkdir mkdirat rmdir "
	    "chmod fchmodat utimensat truncate getdents getdents64 getcwd "
	    "chdir fchdir statfs umask inotify_init1 inotify_add_watch "
	    "inotify_rm_watch fgetxattr fsetxattr" },
	{ SANDBOX_MEMFD, "memfd_create" },
	{ SANDBOX_EXEC,
	    "execve execveat fork vfork clone clone3 wait4 waitid kill "
	    "pidfd_open pidfd_send_signal setpgid setsid getpgid getpgrp "
	    "setresuid setresgid setgroups setrlimit chroot chdir umask "
	    "fchown" },
};

static void
freep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int
allow_named(scmp_filter_ctx ctx, struct span names)
{
	struct span word;
	char name[32];
	int err = 0;

	for (; !err && take_word(&names, &word); take_blanks(&names)) {
		snprintf(name, sizeof(name), "%.*s", (int)word.n, word.p);

		int nr = seccomp_syscall_resolve_name(name);

		if (nr >= 0)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return err;
}

static int
allow_sockets(scmp_filter_ctx ctx, int family)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
}

/* Terminals can be asked about and not fed: TIOCSTI is not among these. */
static int
allow_ioctls(scmp_filter_ctx ctx)
{
	static const unsigned long requests[] = { FIONREAD, FIONBIO, TCGETS };
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(requests) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
	return err;
}

/* clone3() hides its flags in memory; without it the C library uses clone(). */
static int
allow_threads(scmp_filter_ctx ctx)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
	    SCMP_SYS(clone3), 0);

	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	return err;
}

static int
add_rules(scmp_filter_ctx ctx, unsigned words)
{
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(calls) && !err; i++)
		if (words & calls[i].word)
			err = allow_named(ctx, span_str(calls[i].names));
	if (!err && (words & SANDBOX_STDIO))
		err = allow_ioctls(ctx);
	if (!err && (words & SANDBOX_UNIX))
		err = allow_sockets(ctx, AF_UNIX);
	if (!err && (words & SANDBOX_INET))
		err = allow_sockets(ctx, AF_INET);
	if (!err && (words & SANDBOX_INET))
		err = allow_sockets(ctx, AF_INET6);
	if (!err && !(words & SANDBOX_EXEC))
		err = allow_threads(ctx);
	return err;
}

bool
seccomp_can_refuse(void)
{
	return seccomp_api_get() >= 1;
}

bool
seccomp_can_log(void)
{
	return seccomp_api_get() >= 3;
}

int
seccomp_enter(bool report, unsigned words, struct why *why)
{
	uint32_t other = report ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx ctx CLEANUP(freep) = NULL;
	int err;

	if (report && !seccomp_can_log())
		return 0;
	ctx = seccomp_init(other);
	err = ctx ? add_rules(ctx, words) : -ENOMEM;
	if (!err)
		err = seccomp_load(ctx);
	if (err)
		return why_set(why, -err, NULL, 0, "seccomp: %s",
		    strerror(-err));
	return 0;
}
