/*
 * confdir.h - which configuration a command may read that has a group which its
 * caller has not: the installed one, and those that this one names in
 * alternate_config_directories or multi_instance_directories.
 */
#ifndef TOOLS_CONFDIR_H
#define TOOLS_CONFDIR_H

#include "conf/conf.h"

/*
 * Loads `dir` (of -c; NULL: MAIL_CONFIG, or the installed one), and makes the
 * environment what import_environment says. Returns NULL with `why`. Blocks.
 */
struct conf *confdir_load(const char *dir, struct why *why);

/* Whether we have rights that our caller has not. */
bool confdir_is_privileged(void);

#endif
