/*
 * conf.h - main.cf: read once, asked by name, handed out as typed structs.
 *
 * A struct conf is what one process knows: the defaults of the parameter table
 * (params.h), the file main.cf of its directory, and the overrides of its own
 * line in master.cf (-o name=value), the last one winning. It never changes; a
 * reload makes a new one and, if that fails, keeps the old.
 *
 * Values are kept as written and expanded ($name, ${name?a:b} ...) when asked
 * for. A daemon names its parameters in rows of struct conf_field and gets them
 * checked and converted in one call:
 *
 *	struct params {
 *		const char *queue_directory;
 *		int64_t timeout;
 *	} params;
 *
 *	static const struct conf_field fields[] = {
 *		CONF_FIELD(CONF_STR, struct params, queue_directory),
 *		CONF_FIELD_AS(CONF_TIME, struct params, timeout, "smtpd_timeout"),
 *	};
 *
 *	if (conf_get_struct(conf, fields, COUNT_OF(fields), &params, &why) < 0)
 *		die("%s", why.text);
 *
 * Strings that are handed out belong to the struct conf. One thread asks at a
 * time: what was expanded is kept.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/arena.h"
#include "base/span.h"
#include "base/why.h"

struct conf;

/*
 * What a member becomes. Its parameter in the table must be of that type; but
 * all can be had as text, and an int is a size.
 */
enum conf_type {
	CONF_STR, /* const char *: expanded; "" if it is empty */
	CONF_BOOL, /* bool */
	CONF_INT, /* int64_t */
	CONF_TIME, /* int64_t: milliseconds */
	CONF_SIZE, /* int64_t: bytes */
	CONF_ENUM, /* int: the place of the word in the table's list */
	CONF_LIST, /* const char *: expanded; see conf_list_next() */
	CONF_RAW, /* const char *: as written */
};

struct conf_field {
	const char *name;
	enum conf_type type;
	size_t offset;
};

#define CONF_FIELD_AS(type, strct, member, name) \
	{ \
		(name), (type), offsetof(strct, member) \
	}
#define CONF_FIELD(type, strct, member) \
	CONF_FIELD_AS(type, strct, member, #member)

/*
 * Reads DIR/main.cf; `overrides` are "name=value" texts, as of -o. Returns NULL
 * with `why` if there is no file or it is not understood. Blocks.
 */
struct conf *conf_load(const char *dir, const char *const *overrides, size_t n,
    struct why *why);

/* Of a directory, too, but with the defaults alone: reads nothing. */
struct conf *conf_new(const char *dir);

/* NULL is fine. Returns NULL. */
struct conf *conf_free(struct conf *c);

const char *conf_dir(const struct conf *c);

/* As written, or the default; NULL: there is no such parameter and no value. */
const char *conf_raw(const struct conf *c, const char *name);

/* The default alone, as conf_raw() would give it, whatever main.cf says. */
const char *conf_default(const struct conf *c, const char *name);

/* Expanded, or NULL with `why` if that cannot be. A stranger's name is "". */
const char *conf_get(const struct conf *c, const char *name, struct why *why);

/* Expands any text. Returns NULL with `why`, also if `a` is exhausted. */
char *conf_expand(const struct conf *c, struct span text, struct arena *a,
    struct why *why);

/*
 * The same of a text with names of its own: `fn` returns the value of one, or
 * NULL, and then it is a parameter; what is neither is an error.
 */
typedef const char *conf_lookup_fn(void *arg, struct span name);
char *conf_expand_known(const struct conf *c, struct span text,
    conf_lookup_fn *fn, void *arg, struct arena *a, struct why *why);

/*
 * Fills in `n` members of the struct at `out`. Returns 0, or -EINVAL with `why`
 * that names file, line, parameter and what is allowed.
 */
MUST_USE int conf_get_struct(const struct conf *c,
    const struct conf_field *fields, size_t n, void *out, struct why *why);

/*
 * Whether each parameter that main.cf sets can be expanded and is what its row
 * in the table allows. Returns 0, or -EINVAL with `why` of the first that is not.
 */
MUST_USE int conf_check(const struct conf *c, struct why *why);

/* The same for one name; one that the table does not have can be any text. */
MUST_USE int conf_check_name(const struct conf *c, const char *name,
    struct why *why);

/*
 * Puts in `why` what is wrong with the value of `name`, and where it was set.
 * Returns -error.
 */
int conf_complain(const struct conf *c, const char *name, int error,
    const char *text, struct why *why);

/*
 * The same for one value that is not in a struct, as of `transport`_NAME, which
 * inherits its default: a number, bool or enum. Returns 0, or -EINVAL with `why`.
 */
MUST_USE int conf_get_number(const struct conf *c, const char *name,
    enum conf_type type, int64_t *value_r, struct why *why);

/*
 * Where it was set, as "main.cf" and a line; or where another was, if that is
 * its whole default, as $mydomain. False: it is a default.
 */
bool conf_source(const struct conf *c, const char *name, const char **file_r,
    unsigned *line_r);

/* As main.cf or -o has it, or NULL: it is set nowhere. */
const char *conf_set_value(const struct conf *c, struct span name);

/* Calls `fn` for each name that is set in main.cf, in the file's order. */
typedef void conf_name_fn(const char *name, const char *raw, void *arg);
void conf_each(const struct conf *c, conf_name_fn *fn, void *arg);

/*
 * Calls `fn` for what was odd about main.cf, and no error: a parameter that is
 * set twice, a first line that begins with a blank and so belongs to nothing.
 */
void conf_each_remark(const struct conf *c,
    void (*fn)(const char *text, void *arg), void *arg);

enum conf_edit {
	CONF_EDIT_SET, /* "name = value" */
	CONF_EDIT_COMMENT, /* "name": a # before its line */
	CONF_EDIT_REMOVE, /* "name" */
};

/*
 * Edits DIR/main.cf: `texts` are what the kind of edit says; of several for one
 * name the last one wins. Comments and the order stay; what is new comes last. The file is replaced at once, and keeps
 * its owner and mode; who edits at the same time waits. Returns 0, or -errno
 * with `why`. Blocks.
 */
MUST_USE int conf_edit(const char *dir, enum conf_edit kind,
    const char *const *texts, size_t n, struct why *why);

/*
 * Takes the next element of a list: words between commas and blanks, where
 * { braces } keep one together and are taken off. False: there is none.
 */
MUST_USE bool conf_list_next(struct span *rest, struct span *element_r);

/* Whether one of its elements is this word, its letters in any case. */
MUST_USE bool conf_list_has(const char *list, const char *word);

/* The configuration directory: -c's `dir` if given, MAIL_CONFIG, or default. */
const char *conf_find_dir(const char *dir);

#endif
