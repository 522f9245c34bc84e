/*
 * top.h - `postrider top`: how busy the suite is, on a terminal.
 *
 * Once a second it asks master what all services have counted, and shows by how
 * much that grew. On a terminal it takes the whole screen until q is typed; in
 * batch mode it prints one view after another.
 */
#ifndef MASTER_COMMAND_TOP_H
#define MASTER_COMMAND_TOP_H

#include "base/why.h"

struct top_options {
	bool batch; /* -b: no terminal */
	uint64_t times; /* -n: so many views; 0: until q, or for ever */
	uint64_t seconds; /* -d: between two */
};

/* Reads the words behind the verb. False: they are wrong. */
MUST_USE bool top_options(char **args, struct top_options *o_r);

/* Runs, in queue_directory. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int top_run(const struct top_options *o, struct why *why);

#endif
