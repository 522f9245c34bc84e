/*
 * sandbox.h - words for what a process may still do; seccomp and Landlock.
 *
 * A daemon names the words it needs, and the kernel refuses the rest: system
 * calls by seccomp, files and folders by Landlock. Both hold per thread and are
 * inherited by threads made later, so this comes before the first offload and
 * after all that libraries load lazily. No word is ever added later.
 *
 * `sandbox = enforce` refuses (EPERM), `report` only logs what would have been
 * refused, where the kernel can (system calls: yes; files: no), and `off` does
 * nothing. Under a sanitizer only Landlock is applied. No words at all is no
 * sandbox. With EXEC there is no Landlock: what is executed needs libraries.
 */
#ifndef SERVICE_SANDBOX_H
#define SERVICE_SANDBOX_H

#include "base/why.h"

#include <stddef.h>

enum {
	SANDBOX_STDIO = 1 << 0, /* memory, time, threads, own descriptors */
	SANDBOX_RECVFD = 1 << 1, /* to get and to pass descriptors on */
	SANDBOX_ACCEPT = 1 << 2, /* connections on sockets it was given */
	SANDBOX_UNIX = 1 << 3, /* to connect to Unix sockets */
	SANDBOX_INET = 1 << 4, /* to make inet sockets */
	SANDBOX_FILES = 1 << 5, /* files below the paths given, and no others */
	SANDBOX_EXEC = 1 << 6, /* fork and exec */
	SANDBOX_MEMFD = 1 << 7, /* memory as a descriptor, without a name */
};

enum sandbox_mode {
	SANDBOX_ENFORCE,
	SANDBOX_REPORT,
	SANDBOX_OFF,
};

/*
 * Allows a file, or a folder and all below it: to `write` is to make, write,
 * rename and remove as well as to read. For daemons with SANDBOX_FILES, in their
 * warm_up(): before a chroot, as the path is opened here and now. One that is
 * not there is left out.
 */
void sandbox_allow(const char *path, bool write);

/* Enters. Returns 0, or -errno with `why`. */
MUST_USE int sandbox_enter(enum sandbox_mode mode, unsigned words,
    struct why *why);

/* What the running kernel enforces, for `postrider check`: one line of text. */
void sandbox_describe(char *text, size_t max);

#endif
