/*
 * master_edit.h - changes master.cf as postconf does.
 *
 * A request names services as "name/type", where "*" means any. Entries that it
 * does not mean, and all comments, stay as they are and where they are.
 */
#ifndef CONF_MASTER_EDIT_H
#define CONF_MASTER_EDIT_H

#include "base/defs.h"
#include "base/why.h"

enum master_edit {
	MASTER_EDIT_SET, /* "name/type=entry": replaced, or put at the end */
	MASTER_EDIT_COMMENT, /* "name/type": a # before its lines */
	MASTER_EDIT_REMOVE, /* "name/type" */
	MASTER_EDIT_SET_FIELD, /* "name/type/field=value" */
	MASTER_EDIT_SET_PARAM, /* "name/type/parameter=value" */
	MASTER_EDIT_REMOVE_PARAM, /* "name/type/parameter" */
};

/*
 * Edits DIR/master.cf, all or nothing, as conf_edit() does main.cf. `fn` is told
 * of each request for a field or parameter that meant no service. Returns 0, or
 * -errno with `why`. Blocks.
 */
MUST_USE int master_edit(const char *dir, enum master_edit kind,
    const char *const *requests, size_t n, void (*fn)(const char *request),
    struct why *why);

#endif
