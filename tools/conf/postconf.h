/*
 * postconf.h - what the parts of postconf share.
 */
#ifndef TOOLS_POSTCONF_H
#define TOOLS_POSTCONF_H

#include "conf/conf.h"
#include "conf/entry.h"
#include "conf/names.h"

enum {
	OVERRIDES_MAX = 1000,
	VALUE_MEMORY_MAX = 1 << 24, /* of an expanded value */
};

/* What was asked for: -x is at 'x', and so on. */
struct request {
	bool has[128];
	const char *dir; /* of -c, or what stands for it */
	const char *override[OVERRIDES_MAX]; /* -o */
	size_t override_n;
	unsigned classes; /* -C: of enum name_class */
	const char *tls_mode; /* -T */
	const char *const *name; /* the arguments */
	size_t n;
};

/* Files that were read. */
struct files {
	struct conf *conf;
	struct entry_list entries;
	struct conf_names *names;
};

_Noreturn void fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);
void warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Ends with an error if options do not go together (options.c). */
void options_check(const struct request *r);

/* Each does one thing and returns the exit status. */
int show_params(const struct request *r, const struct files *f);
int show_services(const struct request *r, const struct files *f);
int show_fields(const struct request *r, const struct files *f);
int show_service_params(const struct request *r, const struct files *f);
int edit_params(const struct request *r);
int edit_services(const struct request *r);
int list_things(const struct request *r);
int show_templates(const struct request *r);

/*
 * One value under its name, as -f, -h, -H and -j want it; `sep` goes between.
 */
void put_value(const struct request *r, const char *name, const char *value);

/* A value with -x; else as it is. It lives in `a`. */
const char *expand_value(const struct request *r, const struct files *f,
    const struct entry_text *e, const char *value, struct arena *a);

/* "name":"value" of an object; the first one begins it. */
void json_pair(bool first, const char *name, const char *value);

#endif
