/*
 * privs.h - who a process becomes, for good.
 *
 * Root asks no name service: users and groups are looked up in /etc/passwd and
 * /etc/group and nowhere else. A process of an ordinary user stays what it is,
 * and so all users of the suite are that one.
 */
#ifndef SERVICE_PRIVS_H
#define SERVICE_PRIVS_H

#include "base/why.h"

#include <sys/types.h>

enum {
	PRIVS_GROUPS_MAX = 32,
};

struct privs {
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVS_GROUPS_MAX];
	size_t groups_n;
};

/*
 * Finds the user `name` and its groups; for an ordinary user, that is himself.
 * Returns 0, or -ENOENT with `why`. Blocks.
 */
MUST_USE int privs_find(const char *name, struct privs *p_r, struct why *why);

/* Finds a group of /etc/group; for an ordinary user, his own. Blocks. */
MUST_USE int privs_find_group(const char *name, gid_t *gid_r, struct why *why);

/*
 * Becomes `p`, with all of its groups and no others, and checks that there is
 * no way back. Nothing happens in a process of an ordinary user, but for what
 * hides its memory. Returns 0, or -errno with `why`: then the process must end.
 */
MUST_USE int privs_drop(const struct privs *p, struct why *why);

/* From here on no program that it executes can gain anything. */
void privs_no_more(void);

#endif
