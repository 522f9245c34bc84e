/*
 * names.h - which names of main.cf and master.cf mean something.
 *
 * Known are those of the table (params.h); those that begin with the name of a
 * service of master.cf; and what a person has made up, if something that is known
 * uses it: as $name in its value, as a class of restrictions, as the front of the
 * names of a table's settings (ldap:foo, and so foo_server_host). What is set and
 * not known is most likely mistyped.
 */
#ifndef CONF_NAMES_H
#define CONF_NAMES_H

#include "conf/conf.h"
#include "conf/entry.h"

enum name_class {
	NAME_BUILTIN = 1 << 0,
	NAME_SERVICE = 1 << 1,
	NAME_USER = 1 << 2,
	NAME_ALL = NAME_BUILTIN | NAME_SERVICE | NAME_USER,
};

struct conf_names;

/*
 * What is known of these, which stay and must outlive it; `entries` may be empty.
 * Never NULL. Blocks: files of settings that tables name are read.
 */
struct conf_names *conf_names_new(const struct conf *c,
    const struct entry_list *entries);

/* NULL is fine. Returns NULL. */
struct conf_names *conf_names_free(struct conf_names *n);

/* The class of a name, or 0: it is not known. */
unsigned conf_names_class(const struct conf_names *n, struct span name);

/* Calls `fn` for each name of these classes, sorted by name. */
void conf_names_each(const struct conf_names *n, unsigned classes,
    void (*fn)(const char *name, void *arg), void *arg);

/*
 * Calls `fn` for what somebody should look at: a name that is used and not set, a
 * name that is set and not known; as "FILE: unused parameter: NAME=VALUE". Those of
 * main.cf are told only if `main_cf`.
 */
typedef void conf_names_tell_fn(const char *text, void *arg);
void conf_names_each_undefined(const struct conf_names *n,
    conf_names_tell_fn *fn, void *arg);
void conf_names_each_unused(const struct conf_names *n, bool main_cf,
    conf_names_tell_fn *fn, void *arg);

#endif
