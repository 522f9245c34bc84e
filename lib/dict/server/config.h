/*
 * config.h - what an administrator says of a table that asks a server; private to
 * lib/dict.
 *
 *	pgsql:/etc/postrider/accounts.cf	name = value lines, as of main.cf
 *	pgsql:accounts				accounts_name = value in main.cf
 *
 * The file is read as it is: there is no $-expansion in it, so that a password may
 * have any character. What stands twice counts as it stands last. A value that is
 * handed out lives as long as its struct, of which tables and connections hold one.
 */
#ifndef DICT_SERVER_CONFIG_H
#define DICT_SERVER_CONFIG_H

#include "base/span.h"
#include "base/why.h"

#include <sys/stat.h>

struct config;

/* Reads it. Returns NULL with `why`. Blocks. */
struct config *config_open(const char *type, const char *name, struct why *why);

/* Any thread may do both. NULL is fine. Returns NULL. */
struct config *config_hold(struct config *c);
struct config *config_drop(struct config *c);

/* The value, or NULL: it does not stand there. */
const char *config_get(const struct config *c, const char *name);

/* The same, with a default. */
const char *config_text(const struct config *c, const char *name,
    const char *fallback);

/* A number within bounds. Returns 0, or -EINVAL with `why`. */
MUST_USE int config_number(const struct config *c, const char *name,
    int64_t fallback, int64_t max, int64_t *value_r, struct why *why);

/* yes or no. Returns 0, or -EINVAL with `why`. */
MUST_USE int config_bool(const struct config *c, const char *name,
    bool fallback, bool *value_r, struct why *why);

/* Says where: the file or the table. Returns -EINVAL. */
int config_complain(const struct config *c, const char *name, const char *text,
    struct why *why);

/* "pgsql:/etc/postrider/accounts.cf". */
const char *config_table(const struct config *c);

/* The file and what it was, or NULL: it stands in main.cf. */
const char *config_file(const struct config *c, const struct stat **st_r);

#endif
