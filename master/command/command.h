/*
 * command.h - what the parts of the command `postrider` share.
 *
 * A verb is a function that gets the instance it is about, whose configuration it
 * loads if it wants it, and the arguments behind its name; what it returns is the
 * exit status. What goes wrong it says itself.
 */
#ifndef MASTER_COMMAND_COMMAND_H
#define MASTER_COMMAND_COMMAND_H

#include "base/why.h"
#include "conf/conf.h"

#include <sys/types.h>

enum {
	COMMAND_FAILED = 1, /* an exit status */
};

struct command_params {
	const char *queue_directory;
	const char *daemon_directory;
	const char *command_directory;
	const char *setgid_group;
	int sandbox; /* enforce, report, off */
};

struct instance {
	const char *dir; /* of main.cf and master.cf; absolute once loaded */
	struct conf *conf;
	struct command_params params;
};

/* Says it on stderr. Returns COMMAND_FAILED. */
int command_complain(const char *text);

/*
 * Reads main.cf. Returns 0, or -errno with `why`: then ->conf may be there all the
 * same, and a parameter of ->params is wrong. Blocks.
 */
MUST_USE int command_try_load(struct instance *i, struct why *why);

/* The same; but returns COMMAND_FAILED, after it said why. Blocks. */
MUST_USE int command_load(struct instance *i);

/* The process of the suite's master, or 0: it does not run. Blocks. */
pid_t command_master(const struct instance *i);

/*
 * The same as command_load(), and goes where master can be asked: the suite must
 * be running.
 */
MUST_USE int command_enter(struct instance *i);

typedef int command_verb(struct instance *i, char **args);

command_verb verb_start, verb_start_fg, verb_stop, verb_abort, verb_reload;
command_verb verb_status, verb_metrics, verb_top, verb_clock;
command_verb verb_check;
command_verb verb_set_permissions, verb_upgrade_configuration;
command_verb verb_import;

#endif
