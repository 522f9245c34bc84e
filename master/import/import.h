/*
 * import.h - a configuration of Postfix, and of Dovecot, becomes ours; private to
 * `postrider import`.
 *
 * The source is only read. What Postfix says stays as it is written, but for what
 * cannot be: a line that means nothing here becomes a comment. What Dovecot says
 * becomes parameters behind those, and services. Each thing is told of in a report,
 * with its place: what was taken over, what has no effect and why, and what somebody
 * has to decide.
 */
#ifndef MASTER_IMPORT_IMPORT_H
#define MASTER_IMPORT_IMPORT_H

#include "base/buf.h"
#include "conf/entry.h"
#include "conf/names.h"
#include "master/import/dovecot.h"

#include <stdio.h>

enum import_kind {
	IMPORT_TAKEN,
	IMPORT_IDLE,
	IMPORT_DECIDE,
	IMPORT_KINDS_N,
};

enum {
	IMPORT_PATH_MAX = 1024,
	IMPORT_TEXT_MAX = 2048,
};

struct import_line {
	struct import_line *next;
	const char *name; /* of a parameter, else NULL */
	const char *text;
};

/* Lines in the order in which they came. */
struct import_list {
	struct import_line *first, *last;
};

struct import {
	const char *from; /* Postfix's directory, absolute */
	const char *dovecot; /* Dovecot's, or NULL */
	const char *to; /* ours, absolute */
	bool force; /* what is there may go */
	struct arena *arena;
	struct conf *conf; /* of Postfix */
	struct entry_list entries; /* likewise */
	struct conf_names *names;
	struct dovecot top;
	struct import_list report[IMPORT_KINDS_N];
	struct import_list params; /* to be added: ->text is the value */
	struct import_list services; /* lines to be added */
	struct why *why;
};

void import_tell(struct import *im, enum import_kind kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same of something in Dovecot's files: with its place, name and value. */
void import_tell_of(struct import *im, enum import_kind kind,
    const struct dovecot *d, const char *arg, const char *what);

/* A parameter, and a service, that ours is to have. */
void import_param(struct import *im, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void import_service(struct import *im, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The value that a parameter is to get, or NULL. */
const char *import_has(const struct import *im, const char *name);

/* A text in the arena. Dies with too much. */
char *import_text(struct import *im, struct span s);

/*
 * Copies what lies in Postfix's directory, but for its own files. Returns 0, or
 * -errno with `why`. Blocks.
 */
MUST_USE int import_copy(struct import *im);

/*
 * Makes a file of ours, which is in place at once when it is closed by
 * import_close(): 0, or -errno with `why`. The group is that of the user whom the
 * parameter `reader` names, who may read it; NULL: everybody may. Blocks.
 */
FILE *import_open(struct import *im, const char *name, const char *reader);
MUST_USE int import_close(struct import *im, FILE *f, const char *name);

/*
 * Writes a value or a line, in which what is a path in Postfix's directory becomes
 * one in ours.
 */
void import_put_paths(const struct import *im, struct span text, FILE *out);

/* Each writes a file of ours. Return 0, or -errno with `why`. Block. */
MUST_USE int import_main_cf(struct import *im);
MUST_USE int import_master_cf(struct import *im);

/* Reads Dovecot's. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int import_read_dovecot(struct import *im);

/* Reads another file of the same form. Returns 0, or -errno with `why`. Blocks. */
MUST_USE int import_read_dovecot_file(struct import *im, struct dovecot *in,
    const char *path);

/*
 * Where a file lies that Dovecot's `file` names: a copy of a configuration still
 * says where the original was.
 */
void import_dovecot_path(const struct import *im, const char *file,
    const char *given, char path_r[IMPORT_PATH_MAX]);

/* What its settings become here, and what its users do. Both block. */
void import_dovecot(struct import *im);
MUST_USE int import_users(struct import *im);

/* The listeners of Dovecot's services. */
void import_listeners(struct import *im);

/*
 * A place of mail or a home in Dovecot's words, with ours for its variables: %u %n
 * %d. False: it has others. "~" and "%h" become `home`, if that is known.
 */
MUST_USE bool import_pattern(const char *text, const char *home,
    struct buf *out);

#endif
