/*
 * environment.h - import_environment: what a program takes over of the variables
 * that it was started with.
 *
 * An element of the list is NAME, which is kept, or NAME=VALUE, which is set. Who
 * has rights that its caller has not, or starts others, has nothing but these; an
 * ordinary command has all, as its caller's rights are all it has.
 *
 * Neither may be called while there are threads.
 */
#ifndef CONF_ENVIRONMENT_H
#define CONF_ENVIRONMENT_H

#include "conf/conf.h"

/*
 * Has what the list names, of what there was when this was first called, and a
 * PATH. So a longer list can bring back what a shorter one has taken away. A build
 * with test hooks keeps the options of sanitizers.
 */
void environment_clean(const char *list);

/* The same by import_environment; if that cannot be expanded nothing changes. */
void environment_import(const struct conf *c);

/* Sets what import_environment sets, and leaves all else. */
void environment_update(const struct conf *c);

/*
 * What an ordinary command begins with: loads `dir` (of -c; NULL: MAIL_CONFIG, or
 * the installed one) and updates the environment. Returns NULL with `why`. Blocks.
 */
struct conf *conf_load_command(const char *dir, struct why *why);

#endif
