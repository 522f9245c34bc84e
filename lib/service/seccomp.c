#include "service/sandbox-parts.h"

#include "base/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum {
	HAS_INET = SANDBOX_TCP | SANDBOX_UDP,
	HAS_NAMES = SANDBOX_READ | SANDBOX_FILES,
	HAS_CHANGES = SANDBOX_CREATE | SANDBOX_FILES,
	TREE = 2, /* not a list of all calls, gone through one by one */
	TYPE_MASK = 0xf, /* of a socket's type, less its flags */
};

/* The calls of words, by name: a kernel or processor may lack some. */
static const struct {
	unsigned words; /* any of them */
	const char *names;
} calls[] = {
	{ SANDBOX_STDIO, /* own descriptors */
	    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 "
	    "pwritev2 close close_range dup dup2 dup3 fstat "
	    "fstatfs lseek ftruncate fallocate fadvise64 fsync fdatasync "
	    "sync_file_range copy_file_range sendfile splice flock fchmod "
	    "pipe2 eventfd2 timerfd_create timerfd_settime signalfd4 "
	    "epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll "
	    "ppoll select pselect6 recvfrom "
	    "shutdown getsockopt setsockopt getsockname getpeername" },
	{ SANDBOX_STDIO, /* memory and threads */
	    "brk munmap mremap madvise mincore membarrier futex "
	    "set_robust_list get_robust_list rseq sched_yield "
	    "sched_getaffinity sched_getparam sched_getscheduler "
	    "set_tid_address arch_prctl exit exit_group" },
	{ SANDBOX_STDIO, /* signals, time, the process itself */
	    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait "
	    "rt_sigpending sigaltstack restart_syscall pause "
	    "clock_gettime clock_getres clock_nanosleep nanosleep "
	    "gettimeofday time getrandom getpid getppid gettid getuid "
	    "geteuid getgid getegid getresuid getresgid getgroups getrlimit "
	    "getrusage times uname sysinfo getcpu" },
	{ SANDBOX_RECVFD, "sendmsg recvmsg sendmmsg recvmmsg" },
	{ SANDBOX_ACCEPT, "accept accept4" },
	{ SANDBOX_UNIX | HAS_INET, "connect" },
	{ HAS_INET, "bind" },
	{ SANDBOX_UDP, "sendto" },
	{ HAS_NAMES,
	    "stat lstat newfstatat statx access faccessat faccessat2 readlink "
	    "readlinkat getdents64 getcwd statfs inotify_init1 "
	    "inotify_add_watch inotify_rm_watch" },
	{ HAS_CHANGES, "unlink unlinkat rename renameat renameat2" },
	{ SANDBOX_FILES,
	    "open openat openat2 link linkat symlink symlinkat mkdir mkdirat "
	    "rmdir chmod fchmodat utimensat truncate syncfs umask" },
	{ SANDBOX_LOAD | SANDBOX_EXEC, "mmap mprotect" },
	{ SANDBOX_MEMFD, "memfd_create" },
	{ SANDBOX_EXEC,
	    "execve execveat fork vfork clone clone3 wait4 waitid kill tgkill "
	    "pidfd_open pidfd_send_signal setpgid setsid getpgid getpgrp "
	    "setresuid setresgid setuid setreuid setgroups setrlimit "
	    "prlimit64 prctl fcntl "
	    "chroot chdir umask fchown socketpair sendto seccomp "
	    "landlock_create_ruleset landlock_add_rule "
	    "landlock_restrict_self memfd_create" },
};

/* Calls that are allowed with some values of one argument only. */
static const struct limit {
	unsigned words; /* any of them */
	const char *name;
	unsigned arg;
	scmp_datum_t mask;
	scmp_datum_t value;
} limits[] = {
	/* What is mapped is not run: no code but what was loaded. */
	{ SANDBOX_STDIO, "mmap", 2, PROT_EXEC, 0 },
	{ SANDBOX_STDIO, "mprotect", 2, PROT_EXEC, 0 },
	/* Datagrams to whoever has a name: a pair's end can send them, too. */
	{ SANDBOX_STDIO, "sendto", 4, ~(scmp_datum_t)0, 0 },
	{ SANDBOX_STDIO, "socketpair", 1, TYPE_MASK, SOCK_STREAM },
	{ SANDBOX_STDIO, "socketpair", 1, TYPE_MASK, SOCK_SEQPACKET },
	/* Nothing of other processes. */
	{ SANDBOX_STDIO, "prlimit64", 0, ~(scmp_datum_t)0, 0 },
	/* Not the ones that let others look into us. */
	{ SANDBOX_STDIO, "prctl", 0, ~(scmp_datum_t)0, PR_SET_NAME },
	{ SANDBOX_STDIO, "prctl", 0, ~(scmp_datum_t)0, PR_GET_NAME },
	{ SANDBOX_LOAD, "prctl", 0, ~(scmp_datum_t)0, PR_CAPBSET_READ },
	/* Terminals can be asked about and not fed: no TIOCSTI. */
	{ SANDBOX_STDIO, "ioctl", 1, ~(scmp_datum_t)0, FIONREAD },
	{ SANDBOX_STDIO, "ioctl", 1, ~(scmp_datum_t)0, FIONBIO },
	{ SANDBOX_STDIO, "ioctl", 1, ~(scmp_datum_t)0, TCGETS },
	/* No signals to who did not ask for them: no F_SETOWN. */
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_DUPFD },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_DUPFD_CLOEXEC },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_GETFD },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_SETFD },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_GETFL },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_SETFL },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_GETLK },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_SETLK },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_SETLKW },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_OFD_GETLK },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_OFD_SETLK },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_OFD_SETLKW },
	{ SANDBOX_STDIO, "fcntl", 1, ~(scmp_datum_t)0, F_GET_SEALS },
	{ SANDBOX_MEMFD, "fcntl", 1, ~(scmp_datum_t)0, F_ADD_SEALS },
	/* What the C library makes of fstat(). */
	{ SANDBOX_STDIO, "newfstatat", 3, AT_EMPTY_PATH, AT_EMPTY_PATH },
	/* Files that were not there before, or nothing but reading. */
	{ SANDBOX_CREATE, "openat", 2, O_CREAT | O_EXCL, O_CREAT | O_EXCL },
	{ SANDBOX_READ, "openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, 0 },
	{ SANDBOX_READ, "open", 1, O_ACCMODE | O_CREAT | O_TRUNC, 0 },
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
allow_limited(scmp_filter_ctx ctx, const struct limit *l)
{
	struct scmp_arg_cmp is = SCMP_CMP(l->arg, SCMP_CMP_MASKED_EQ, l->mask,
	    l->value);
	int nr = seccomp_syscall_resolve_name(l->name);

	return nr < 0 ? 0
		      : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, &is);
}

/* abort() and the like: a signal to ourselves. */
static int
allow_own_signals(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

static int
allow_sockets(scmp_filter_ctx ctx, int family, int type)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0),
	    SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, (scmp_datum_t)type));
}

static int
allow_inet(scmp_filter_ctx ctx, int type)
{
	int err = allow_sockets(ctx, AF_INET, type);

	return err ? err : allow_sockets(ctx, AF_INET6, type);
}

static int
allow_all_sockets(scmp_filter_ctx ctx, unsigned words)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(types) && !err; i++)
		if (words & SANDBOX_UNIX)
			err = allow_sockets(ctx, AF_UNIX, types[i]);
	if (!err && (words & SANDBOX_TCP))
		err = allow_inet(ctx, SOCK_STREAM);
	if (!err && (words & SANDBOX_UDP))
		err = allow_inet(ctx, SOCK_DGRAM);
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
		if (words & calls[i].words)
			err = allow_named(ctx, span_str(calls[i].names));
	for (size_t i = 0; i < COUNT_OF(limits) && !err; i++)
		if (words & limits[i].words)
			err = allow_limited(ctx, &limits[i]);
	if (!err && (words & SANDBOX_STDIO))
		err = allow_own_signals(ctx);
	if (!err)
		err = allow_all_sockets(ctx, words);
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
	/* What we exec has this filter too, and would die of a signal. */
	bool quiet = (words & SANDBOX_EXEC) || !trap_watch();
	uint32_t other = report ? SCMP_ACT_LOG
	    : quiet             ? SCMP_ACT_ERRNO(EPERM)
				: SCMP_ACT_TRAP;
	scmp_filter_ctx ctx CLEANUP(freep) = NULL;
	int err;

	if (report && !seccomp_can_log())
		return 0;
	ctx = seccomp_init(other);
	err = !ctx ? -ENOMEM
		   : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, TREE);
	if (!err)
		err = add_rules(ctx, words);
	if (!err)
		err = seccomp_load(ctx);
	if (err)
		return why_set(why, -err, NULL, 0, "seccomp: %s",
		    strerror(-err));
	return 0;
}
