/*
 * pidfile.h - one master for a queue, and how others find it.
 *
 * pid/master.pid holds its number and, as long as it lives, a lock: who is told
 * of the lock by the kernel knows the number without trusting the file.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include "base/why.h"

#include <sys/types.h>

/*
 * Takes the lock for this process, until it ends. Returns the descriptor, or
 * -EBUSY, -errno with `why`. Blocks.
 */
MUST_USE int pidfile_lock(const char *path, struct why *why);

/* Who has the lock; 0: nobody, or there is no such file. Blocks. */
pid_t pidfile_owner(const char *path);

#endif
