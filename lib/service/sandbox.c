#include "service/sandbox.h"

#include "service/sandbox-parts.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

enum {
	HEAPS_A_CPU = 8, /* as the C library has it */
};

/*
 * The C library counts processors when threads need more heaps, by a file that
 * cannot be opened by then.
 */
static void
fix_heaps(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	mallopt(M_ARENA_MAX, (int)(n > 0 ? n : 1) * HEAPS_A_CPU);
}

int
sandbox_enter(enum sandbox_mode mode, unsigned words, struct why *why)
{
	int err = 0;

	if (mode == SANDBOX_OFF || words == 0)
		return 0;
	fix_heaps();
	if (mode == SANDBOX_ENFORCE)
		err = landlock_enter(words, why);
	if (!err && !UNDER_ASAN)
		err = seccomp_enter(mode == SANDBOX_REPORT, words, why);
	return err;
}

void
sandbox_describe(char *text, size_t max)
{
	int abi = landlock_abi();
	int n = snprintf(text, max, "system calls (seccomp): %s",
	    !seccomp_can_refuse()    ? "no"
		: !seccomp_can_log() ? "refused, cannot be logged"
				     : "refused or logged");

	must(n >= 0 && (size_t)n < max);
	text += n;
	max -= (size_t)n;
	if (abi == 0)
		snprintf(text, max, "; files (Landlock): no");
	else
		snprintf(text, max,
		    "; files (Landlock %d): refused%s; TCP of sockets that it "
		    "has: %s; abstract sockets, signals: %s",
		    abi, abi < 3 ? ", but for truncation" : "",
		    abi < 4 ? "no" : "refused", abi < 6 ? "no" : "refused");
}
