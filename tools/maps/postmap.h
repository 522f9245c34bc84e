/*
 * postmap.h - what the parts of postmap share: options, and how it speaks.
 */
#ifndef POSTMAP_POSTMAP_H
#define POSTMAP_POSTMAP_H

#include "base/defs.h"
#include "base/span.h"

enum {
	TABLE_NAME_MAX = 1024,
	VALUE_MAX = 64 << 20,
};

struct options {
	const char *dir; /* -c */
	const char *query; /* -q */
	const char *remove; /* -d */
	const char *default_type;
	bool list; /* -s */
	bool change; /* -i */
	bool headers, body, mime; /* -h, -b, -m */
	bool files; /* -F: values are files */
	bool no_fold; /* -f */
	bool keep_root; /* -o */
	bool no_mode; /* -p: 0644, not the mode of the source */
	bool no_warning; /* -w, -r */
	bool replace; /* -r */
	bool nul, no_nul; /* -N, -n */
	bool any_bytes; /* -u */
	bool force_utf8; /* -U */
	bool utf8; /* smtputf8_enable */
	bool verbose; /* -v */
	bool aliases; /* called as postalias */
};

/* Says what is wrong and ends with status 1. */
_Noreturn void postmap_fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);
void postmap_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* "type:name", with the default type put before what has none. */
void postmap_name(const struct options *o, const char *given,
    char name[TABLE_NAME_MAX]);

/* Whether keys and values are UTF-8, as they have to be. */
bool postmap_text_is_good(const struct options *o, struct span s);

/* A text as a warning shows it; good until the next call. */
const char *postmap_show(struct span s);

/* Makes a table, or with -i changes it by what standard input has. */
void make_table(const struct options *o, const char *table);

/* What -q, -d and -s ask for; whether anything was found. */
bool ask_tables(const struct options *o, char **given, size_t n);
bool ask_remove(const struct options *o, char **given, size_t n);
void ask_list(const struct options *o, const char *table);

/* Calls `fn` for each key that -b and -h want of the mail on standard input. */
void message_each(const struct options *o,
    void (*fn)(struct span key, void *arg), void *arg);

#endif
