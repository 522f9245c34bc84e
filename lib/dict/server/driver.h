/*
 * driver.h - what a loadable module is: the few functions by which lib/dict asks
 * one kind of server, over that server's own library.
 *
 * A module has two symbols: `dict_module_version`, a text that has to be
 * DICT_MODULE_VERSION to the letter, and the function that dynamicmaps.cf names,
 * which gives its struct dict_module. All else of a table (its file, % in queries,
 * hosts, what comes of an answer) is done by who loads it, so that a module is
 * small and knows nothing of us but this page.
 *
 * A connection is used by one thread at a time, and by any. Every call ends by its
 * `deadline` (clock_mono()), or soon after it where the library cannot be bounded.
 */
#ifndef DICT_SERVER_DRIVER_H
#define DICT_SERVER_DRIVER_H

#include "base/span.h"
#include "base/why.h"

#define DICT_MODULE_VERSION "postrider tables 1"

enum server_result {
	SERVER_DONE,
	SERVER_LOST, /* the connection is of no use any more; `why` is set */
	SERVER_REFUSED, /* the server says no: it would to another, too; `why` */
};

/* Whom to connect to. */
struct server_target {
	const char *host; /* one element of `hosts`, as it is written */
	const struct config *config;
	/* config_get(): NULL if it is not set. */
	const char *(*get)(const struct config *c, const char *name);
	int64_t deadline;
};

struct server_link {
	/* Returns NULL with `why`. Blocks. */
	void *(*open)(const struct server_target *t, struct why *why);
	void (*close)(void *conn);
	/* Parameters that make it another connection; ends in NULL. */
	const char *const *params;
};

/* A field of a row that was found, not NULL. False: no more are wanted. */
typedef bool sql_field_fn(struct span field, void *arg);

struct sql_driver {
	struct server_link link;
	/*
	 * Escapes for within '...', by the connection's own rules, into `out` of
	 * 2 * in.n + 1 bytes. False: it cannot be said to this server.
	 */
	bool (*escape)(void *conn, struct span in, char *out, size_t *n_r);
	/* `sql` is NUL-terminated. Blocks. */
	enum server_result (*query)(void *conn, const char *sql,
	    sql_field_fn *fn, void *arg, int64_t deadline, struct why *why);
};

/* What is looked for in a directory: by its base, or all that an URL says. */
struct ldap_search {
	const char *base; /* or an URL: "ldap:///..." */
	const char *filter; /* of the base */
	int scope; /* 0 base, 1 one, 2 sub */
	const char *const *attributes; /* ends in NULL */
	int64_t size_limit; /* entries; 0: any number */
};

/*
 * A value of an attribute; before those of each entry comes one whose name is
 * NULL. False: no more are wanted.
 */
typedef bool ldap_value_fn(const char *attribute, struct span value, void *arg);

struct ldap_driver {
	struct server_link link;
	/* A base that is not there has no entries. Blocks. */
	enum server_result (*search)(void *conn, const struct ldap_search *s,
	    ldap_value_fn *fn, void *arg, int64_t deadline, struct why *why);
};

struct dict_module {
	const char *type; /* "pgsql" */
	const struct sql_driver *sql; /* one of these */
	const struct ldap_driver *ldap;
};

/* What dynamicmaps.cf names. */
typedef const struct dict_module *dict_module_fn(void);

#endif
