#include "service/sandbox.h"

#include "base/buf.h"
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

/* What versions of Landlock brought; the kernel has all up to its own. */
static const struct {
	int abi;
	const char *what;
} parts[] = {
	{ 1, "files" },
	{ 3, "truncating files" },
	{ 4, "connecting clients' sockets elsewhere" },
	{ 5, "commands to devices" },
	{ 6, "sockets without a path" },
};

static void
put_parts(struct buf *b, int above, int upto)
{
	const char *sep = " ";

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (parts[i].abi > above && parts[i].abi <= upto) {
			buf_put(b, span_str(sep));
			buf_put(b, span_str(parts[i].what));
			sep = ", ";
		}
}

void
sandbox_describe(char *text, size_t max)
{
	int abi = landlock_abi(), newest = parts[COUNT_OF(parts) - 1].abi;
	struct buf b;

	buf_init(&b, text, max - 1);
	if (!seccomp_can_refuse())
		buf_put(&b, SPAN("has no seccomp for system calls"));
	else
		buf_put(&b, SPAN("refuses system calls (seccomp)"));
	if (seccomp_can_refuse() && !seccomp_can_log())
		buf_put(&b, SPAN(", and cannot report them"));
	if (abi > 0) {
		buf_putf(&b, "; refuses (Landlock %d)", abi);
		put_parts(&b, 0, abi);
	}
	if (abi < newest) {
		buf_put(&b, SPAN("; has no Landlock for"));
		put_parts(&b, abi, newest);
	}
	text[b.n] = '\0';
}
