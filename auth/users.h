/*
 * users.h - the tables of `auth_user_maps`, as they are now.
 *
 * Whoever asks holds a set of open tables. When a file behind one was replaced
 * users_fresh() opens all anew; those who still hold the old set go on with it.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "dict/dict.h"

struct users;

/* Opens the tables of a list. NULL with `why`. Blocks. */
struct users *users_open(const char *list, struct why *why);

/* Holds it once more; lets go of it, and closes it if nobody holds it. */
struct users *users_hold(struct users *u);
struct users *users_drop(struct users *u);

/* Whether a file behind it was replaced. Blocks. */
bool users_changed(const struct users *u);

/* The same tables, opened anew. NULL with `why`. Blocks. */
struct users *users_reopen(const struct users *u, struct why *why);

/*
 * What the first table that knows `name` has of it, and which that is. `why` is
 * set with DICT_TEMPFAIL. May sleep, for tables that wait for a server.
 */
MUST_USE enum dict_result users_find(struct users *u, struct span name,
    struct arena *a, struct span *value_r, const char **table_r,
    struct why *why);

/* Whether one of them waits for a server. Plain. */
bool users_are_asked_for(const struct users *u);

/* Calls fn(path, arg) for the file behind each table. */
typedef void users_file_fn(const char *path, void *arg);
void users_each_file(const struct users *u, users_file_fn *fn, void *arg);

#endif
