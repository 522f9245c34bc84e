/*
 * commands.h - what stands behind the commands of master.cf.
 *
 * Postfix has a program for each; here some are one program of ours, some are
 * built into others and need no process, and some are yet to come. A master.cf
 * with Postfix's services starts all the same.
 */
#ifndef MASTER_COMMANDS_H
#define MASTER_COMMANDS_H

#include "base/defs.h"

enum command_kind {
	COMMAND_WORKERS, /* service_workers processes, replaced on reload */
	COMMAND_AGENTS, /* likewise, and qmgr comes to their socket */
	COMMAND_SINGLE, /* one process, told to reload */
	COMMAND_ONE, /* one process, replaced on reload */
	COMMAND_SHARED, /* one, told to reload; a second line is the first */
	COMMAND_BUILT_IN, /* part of others: nothing is started */
	COMMAND_NOT_YET, /* not part of this version: nothing is started */
};

struct command {
	const char *name; /* in master.cf */
	enum command_kind kind;
	const char *where; /* if built in: what does it */
};

/* Returns the row, or NULL: nobody knows this command. */
const struct command *command_find(const char *name);

#endif
