/*
 * sandbox-parts.h - the two halves of sandbox.h; private to lib/service.
 */
#ifndef SERVICE_SANDBOX_PARTS_H
#define SERVICE_SANDBOX_PARTS_H

#include "service/sandbox.h"

/* The version that the running kernel has; 0: none. */
int landlock_abi(void);

/*
 * Allows the files of sandbox_allow() and no others; without the word FILES,
 * none. Nothing with EXEC, as what is executed needs its libraries, or where
 * the kernel has no Landlock. Returns 0, or -errno with `why`.
 */
MUST_USE int landlock_enter(unsigned words, struct why *why);

/* Whether the kernel can refuse, and log, system calls. */
bool seccomp_can_refuse(void);
bool seccomp_can_log(void);

/*
 * From now on a system call that traps is told in the log, and fails with EPERM.
 * False where that is not known to work: on other processors.
 */
bool trap_watch(void);

/*
 * Allows the system calls of `words`; others are refused with EPERM or, if
 * `report`, logged by the kernel. Returns 0, or -errno with `why`.
 */
MUST_USE int seccomp_enter(bool report, unsigned words, struct why *why);

#endif
