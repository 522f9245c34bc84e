/*
 * dovecot.h - the configuration of Dovecot, 2.3 or 2.4, as a tree.
 *
 *	name = value			a setting
 *	name = <file			one whose value is what the file holds
 *	name arg { ... }		a section
 *	!include glob			the files take the place of the line
 *	!include_try glob		likewise; there may be none
 *
 * A # begins a comment at the start of a line and behind a blank; a backslash at
 * its end has it go on with the next; values may be in double quotes. In 2.4 the
 * name of a setting in a section may be what follows the section's: ssl_server {
 * cert_file } is ssl_server_cert_file. Nothing is known here of what settings mean.
 *
 * The parser is pure; who reads files is asked for what is included. Texts live in
 * the arena.
 */
#ifndef MASTER_IMPORT_DOVECOT_H
#define MASTER_IMPORT_DOVECOT_H

#include "base/arena.h"
#include "base/why.h"

enum {
	DOVECOT_DEPTH_MAX = 16, /* sections in sections */
	DOVECOT_INCLUDE_MAX = 8, /* files in files */
};

struct dovecot {
	const char *name; /* "" only at the top */
	const char *arg; /* of a section; "" if it has none */
	const char *value; /* of a setting; NULL: it is a section */
	bool is_file; /* the value names a file that holds it */
	bool is_used; /* for who goes through all of them */
	const char *file; /* where it stands */
	unsigned line;
	struct dovecot *next; /* the one behind it in its section */
	struct dovecot *first, *last; /* in it */
};

/* A text that is read, and whom to ask for those that it includes. */
struct dovecot_text {
	struct arena *arena;
	const char *file;
	unsigned depth; /* of including */
	bool (*include)(struct dovecot *in, const struct dovecot_text *from,
	    const char *glob, bool must, void *arg, struct why *why);
	void *arg;
};

/*
 * Adds what stands in `text` to `top`. False with `why`, which names file and line.
 */
MUST_USE bool dovecot_parse(struct dovecot *top, const struct dovecot_text *t,
    struct span text, struct why *why);

/*
 * The last setting or section of this name in a section, also as the sum of names
 * ("ssl_server_cert_file"); NULL: there is none. Marks it as used.
 */
struct dovecot *dovecot_find(struct dovecot *in, const char *name);

/* The value of a setting, or NULL. */
const char *dovecot_value(struct dovecot *in, const char *name);

#endif
