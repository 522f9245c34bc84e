#include "service/sandbox-parts.h"

#include "base/log.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	STACK = 64 * 1024, /* a task's has no room for a line of the log */
	CALLS_MAX = 512,
	WORD = 64,
};

#if defined(__x86_64__) || defined(__aarch64__)

static char stack[STACK]; /* of the loop's thread; others' are large */
static _Atomic uint64_t told[CALLS_MAX / WORD];

/* Once for each call: what is refused in a loop would fill the log. */
static bool
is_news(unsigned nr)
{
	uint64_t bit = (uint64_t)1 << (nr % WORD);

	return nr >= CALLS_MAX ||
	    !(atomic_fetch_or(&told[nr / WORD], bit) & bit);
}

static void
set_result(ucontext_t *at, long result)
{
#if defined(__x86_64__)
	at->uc_mcontext.gregs[REG_RAX] = result;
#else
	at->uc_mcontext.regs[0] = (unsigned long long)result;
#endif
}

/*
 * A signal's handler that allocates and logs: it comes from a system call that was
 * refused, and those that malloc() and the log make are all allowed.
 */
static void
refused(int sig, siginfo_t *si, void *context)
{
	unsigned nr = (unsigned)si->si_syscall;
	int error = errno;
	char *name = NULL;

	(void)sig;
	if (is_news(nr)) {
		name = seccomp_syscall_resolve_num_arch(si->si_arch, (int)nr);
		log_error("sandbox: refused system call %u (%s)", nr,
		    name ? name : "unknown");
		free(name);
	}
	set_result(context, -EPERM);
	errno = error;
}

bool
trap_watch(void)
{
	stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction act = {
		.sa_sigaction = refused,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	return sigaltstack(&own, NULL) == 0 &&
	    sigaction(SIGSYS, &act, NULL) == 0;
}

#else

bool
trap_watch(void)
{
	return false;
}

#endif
