/*
 * dict.h - lookup tables: "type:name" in, FOUND, ABSENT or TEMPFAIL out.
 *
 * A table is opened by its type and name as an administrator writes it, and
 * asked for keys as they are: who asks folds case and goes through the forms of
 * an address or host (keys.h). What a file holds may be replaced while it is
 * open: dict_changed() says so, and a new dict_open() reads it anew.
 *
 * One type is one file here, and one row in the table of types. Those that ask
 * servers are in server/, and what they need of a server's library is a module
 * (server/module.h). Nothing here knows of tasks.
 */
#ifndef DICT_DICT_H
#define DICT_DICT_H

#include "base/arena.h"
#include "base/span.h"
#include "base/why.h"

/* "Could not find out" is never "no". */
enum dict_result {
	DICT_FOUND,
	DICT_ABSENT,
	DICT_TEMPFAIL,
};

enum {
	DICT_KEY_MAX = 4096,
	/* For dict_open(). */
	DICT_NO_FOLD = 1 << 0, /* keys are taken as they are, not lower-cased */
	/*
	 * Rules whose value has parts of the key ($1) are skipped: where who
	 * chooses the key must not choose a file, a command or a user.
	 */
	DICT_NO_GROUPS = 1 << 1,
	DICT_OWN = 1 << 2, /* it is asked here, whatever dict_on_ask() says */
};

struct dict;

/*
 * Takes what main.cf says of tables in general: berkeley_db_type. To be called
 * before any is opened or made. Returns 0 or -errno with `why`.
 */
struct conf;
MUST_USE int dict_configure(const struct conf *c, struct why *why);

/* Opens a table to look up in. Returns NULL with `why`. Blocks. */
struct dict *dict_open(const char *type_and_name, unsigned flags,
    struct why *why);

/* NULL is fine. Returns NULL. */
struct dict *dict_close(struct dict *d);

/* As it was opened: "lmdb:/etc/postrider/access". */
const char *dict_name(const struct dict *d);

/*
 * Looks up `key`, lower-cased unless DICT_NO_FOLD. A value that was found lives
 * in `arena`; `why` is set with DICT_TEMPFAIL only, also if the arena is full.
 * Blocks, unless dict_is_quick().
 */
MUST_USE enum dict_result dict_get(struct dict *d, struct span key,
    struct arena *arena, struct span *value_r, struct why *why);

/* Whether it answers from memory or mapped files: then a task may ask it. */
bool dict_is_quick(const struct dict *d);

/*
 * From now on tables that wait for others (unix:, pgsql: and their kind, and what is
 * behind proxy:) are not asked here but by `fn`, which has another process do it and
 * may sleep. Their files and servers are not even looked at here, as a daemon may
 * not. What `fn` is told is where the table stands: it is element number `element`
 * of the parameter with that number (conf/params.h), as dict_set_origin() was told.
 * A list in smtpd_restriction_classes has its place there, plus one, times
 * DICT_CLASS, to that. `name` is for who wants to be sure that it still does.
 */
enum {
	DICT_CLASS = 1 << 16,
};
typedef enum dict_result dict_ask_fn(const char *name, size_t parameter,
    size_t element, struct span key, struct arena *arena, struct span *value_r,
    struct why *why);
void dict_on_ask(dict_ask_fn *fn);
void dict_set_origin(struct dict *d, size_t parameter, size_t element);

/* Whether it is one of those; and whether `type_and_name` would be. */
bool dict_is_remote(const struct dict *d);
bool dict_names_remote(struct span type_and_name);

/*
 * Whether who can sleep may ask it: it is quick, or there can be somebody else to
 * ask. Where nobody is set to ask, as in commands, it blocks.
 */
bool dict_may_wait(const struct dict *d);

/*
 * For who asks for others: whom it waits for, the same pointer for tables of one
 * server, or NULL; and whether several threads may ask it at a time.
 */
const void *dict_server(struct dict *d);
bool dict_is_shared(const struct dict *d);

/* Closes connections that nobody has used for a minute. Blocks. */
void dict_tend(void);

/* How long a server that failed is left alone, in milliseconds. */
void dict_set_retry(int64_t ms);

/*
 * The main.cf by which modules are found, and in which tables may have their
 * parameters. Borrowed, until it is said anew; only dict_open() uses it. Without
 * it such tables cannot be opened.
 */
struct conf;
void dict_use_conf(const struct conf *c);

/* Whether it matches whole keys only by patterns: regexp, pcre, cidr. */
bool dict_is_pattern(const struct dict *d);

/* Whether the file behind it was replaced since it was opened. Blocks. */
bool dict_changed(const struct dict *d);

/* From now on `fn` is told of each file that is opened, as it was before. */
struct stat;
void dict_on_open(void (*fn)(const char *file, const struct stat *st));

/* The file that is to be watched for changes, or NULL. */
const char *dict_file(const struct dict *d);

/* The same for all that a table is made of. */
void dict_each_file(const struct dict *d,
    void (*fn)(const char *file, void *arg), void *arg);

/*
 * The file that is opened for a table that postmap makes: "/x.db" of "hash:/x".
 * False: it is of another type, or the name is too long.
 */
MUST_USE bool dict_made_file(const char *type_and_name, char *path,
    size_t size);

/* A row for each type that can be opened. */
struct dict_type {
	const char *name;
	struct dict *(*open)(const char *name, unsigned flags, struct why *why);
};

/* A module adds its own. */
void dict_register(const struct dict_type *type);

/* Calls `fn` for each type that is there, sorted by name: postconf -m. */
void dict_each_type(void (*fn)(const char *name, void *arg), void *arg);

#endif
