/*
 * entry.h - a line of master.cf as a person sees and changes it.
 *
 * Its arguments have one form each: an option that takes a value is two of them
 * ("-o" and "name=value"), whatever way it was written, and what holds a blank is
 * in braces when it is shown. Texts live in the arena that the entry was given.
 */
#ifndef CONF_ENTRY_H
#define CONF_ENTRY_H

#include "conf/master_cf.h"

#include <stdio.h>

enum {
	ENTRY_LINE_WIDTH = 80, /* of a folded line */
};

struct entry_text {
	struct arena *arena;
	unsigned line;
	const char *field[SERVICE_FIELDS_N];
	const char **arg;
	size_t n;
	size_t options_n; /* so many of them, at the front, are options */
};

/* The names of the fields, as postconf -F has them: "service", "type" ... */
extern const char *const entry_field_names[SERVICE_FIELDS_N];

/* Returns the number of a field, or SERVICE_FIELDS_N: it has no such name. */
size_t entry_field(struct span name);

/* As service_line_parse(). */
MUST_USE int entry_parse(struct span line, unsigned number, struct arena *a,
    struct entry_text *e_r, struct why *why);

/* All of a file's, in its order; a later one does not replace an earlier. */
struct entry_list {
	struct arena *arena;
	struct entry_text *at;
	size_t n;
};

/*
 * Reads DIR/master.cf; `remark` is told of lines that belong to nothing. Returns
 * 0 or -errno with `why`. Blocks.
 */
MUST_USE int entry_list_load(const char *dir, struct entry_list *list_r,
    void (*remark)(const char *text, void *arg), void *arg, struct why *why);
void entry_list_free(struct entry_list *list);

/* Whether "name" and "type", each of which may be "*", mean it. */
bool entry_is(const struct entry_text *e, struct span name, struct span type);

/*
 * The place of the next "name=value" that is a parameter, from `*at` on, which is
 * then behind it. False: there is none.
 */
MUST_USE bool entry_next_param(const struct entry_text *e, size_t *at,
    size_t *place_r);

/* The value of a parameter that it sets, the last one; or NULL. */
const char *entry_param(const struct entry_text *e, struct span name);

/* All of it, with a newline; folded it takes a line for each -o. */
void entry_put(FILE *out, const struct entry_text *e, bool folded);

/*
 * The command and its arguments alone, without a newline, where `at` characters
 * stand before them.
 */
void entry_put_command(FILE *out, const struct entry_text *e, size_t at,
    bool folded);

/* The same as a text, in one line. */
char *entry_command(const struct entry_text *e);

/*
 * Each changes one thing. Returns 0 or -EINVAL with `why`; removing what is not
 * there is no error.
 */
MUST_USE int entry_set_field(struct entry_text *e, size_t field,
    struct span value, struct why *why);
MUST_USE int entry_set_param(struct entry_text *e, struct span name,
    struct span value, struct why *why);
void entry_remove_param(struct entry_text *e, struct span name);

#endif
