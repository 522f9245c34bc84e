/*
 * dirs.h - the directories of the queue: who owns them, who may do what.
 *
 * One table, which master makes true when it starts and `postrider check` and
 * `set-permissions` compare with. For an ordinary user only the modes count.
 */
#ifndef MASTER_DIRS_H
#define MASTER_DIRS_H

#include "conf/conf.h"
#include "service/privs.h"

/* Who the suite's files belong to. */
struct dirs_owners {
	struct privs owner; /* mail_owner */
	struct privs net; /* net_owner; its group */
	struct privs login; /* login_owner; its group */
	struct privs auth; /* auth_owner; its group */
	gid_t drop; /* setgid_group */
};

/*
 * Finds the user that a parameter names. Returns 0, or -errno with `why`, which
 * names the parameter and its place. Blocks.
 */
MUST_USE int dirs_user(const struct conf *c, const char *name,
    struct privs *p_r, struct why *why);

/* Finds them. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int dirs_owners(const struct conf *c, struct dirs_owners *o_r,
    struct why *why);

/*
 * Makes what is missing below queue_directory, and data_directory. What is there
 * is left as it is, unless `repair`. Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int dirs_make(const struct conf *c, const struct dirs_owners *o,
    bool repair, struct why *why);

/* Calls `fn` for each difference from the table, with a text. Blocks. */
typedef void dirs_fn(const char *text, void *arg);
void dirs_check(const struct conf *c, const struct dirs_owners *o, dirs_fn *fn,
    void *arg);

/*
 * Commands that may see what their caller may not have the group setgid_group and
 * mode 2755. dirs_make_commands() gives it to them: returns 0, or -errno with
 * `why`; only root can. dirs_check_commands() calls `fn` for each that has it not.
 * One that is not installed is left out. Both block.
 */
MUST_USE int dirs_make_commands(const struct conf *c,
    const struct dirs_owners *o, struct why *why);
void dirs_check_commands(const struct conf *c, dirs_fn *fn, void *arg);

/*
 * Gives what lies in data_directory and in the queue to its owner, where it is
 * somebody's who has no business there, as after a restore on another machine.
 * Returns 0, or -errno with `why`. Blocks.
 */
MUST_USE int dirs_own_files(const struct conf *c, const struct dirs_owners *o,
    struct why *why);

#endif
