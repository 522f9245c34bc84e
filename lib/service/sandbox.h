/*
 * sandbox.h - words for what a process may still do; seccomp and Landlock.
 *
 * A daemon names the words it needs, and the kernel refuses the rest: system
 * calls by seccomp, files and folders by Landlock. Both hold per thread and are
 * inherited by threads made later, so this comes before the first offload and
 * after all that libraries load lazily. No word is ever added later.
 *
 * `sandbox = enforce` refuses (EPERM), and says in the log which system call that
 * was, once for each; where Landlock refuses a file (EACCES) nothing is said.
 * `report` refuses nothing: what it would refuse of system calls is in the
 * kernel's audit. `off` does nothing. Under a sanitizer only Landlock is applied.
 * No words at all is no sandbox. With EXEC there is no Landlock: what is executed
 * needs libraries.
 */
#ifndef SERVICE_SANDBOX_H
#define SERVICE_SANDBOX_H

#include "base/why.h"

#include <stddef.h>

enum {
	SANDBOX_STDIO = 1 << 0, /* memory, time, threads, own descriptors */
	SANDBOX_RECVFD = 1 << 1, /* to get and to pass descriptors on */
	SANDBOX_ACCEPT = 1 << 2, /* connections on sockets it was given */
	SANDBOX_UNIX = 1 << 3, /* to connect to Unix sockets that have a path */
	SANDBOX_TCP = 1 << 4, /* to make inet sockets, and connect them */
	SANDBOX_UDP = 1 << 5, /* likewise, datagrams */
	SANDBOX_CREATE =
	    1 << 6, /* new files, below the paths given; no others */
	SANDBOX_READ = 1 << 7, /* to read below the paths given */
	SANDBOX_FILES = 1 << 8, /* all that is done with files, below them */
	SANDBOX_LOAD = 1 << 9, /* code that was not loaded before */
	SANDBOX_EXEC = 1 << 10, /* fork and exec */
	SANDBOX_MEMFD = 1 << 11, /* memory as a descriptor, without a name */
};

enum sandbox_mode {
	SANDBOX_ENFORCE,
	SANDBOX_REPORT,
	SANDBOX_OFF,
};

/*
 * Allows a file, or a folder and all below it: to `write` is to make, write,
 * rename and remove as well as to read. For daemons that have files, in their
 * warm_up(): before a chroot, as the path is opened here and now. One that is
 * not there is left out. The second form is for SANDBOX_CREATE: it allows no
 * listing; the third allows nothing else.
 */
void sandbox_allow(const char *path, bool write);
void sandbox_allow_new(const char *folder);
void sandbox_allow_list(const char *folder);

/* Enters. Returns 0, or -errno with `why`. */
MUST_USE int sandbox_enter(enum sandbox_mode mode, unsigned words,
    struct why *why);

/* What the running kernel enforces and lacks, for `postrider check`: one line. */
void sandbox_describe(char *text, size_t max);

#endif
