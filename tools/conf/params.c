/* main.cf: what it says, and edits of it. */
#include "tools/conf/postconf.h"

#include <stdio.h>
#include <stdlib.h>

struct showing {
	const struct request *r;
	const struct files *f;
};

static void
show(const struct showing *s, const char *name, const char *value)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MEMORY_MAX);

	put_value(s->r, name, expand_value(s->r, s->f, NULL, value, a));
}

static void
show_known(const char *name, void *arg)
{
	const struct showing *s = arg;
	const char *value = s->r->has['d'] ? conf_default(s->f->conf, name)
	    : s->r->has['n'] ? conf_set_value(s->f->conf, span_str(name))
			     : conf_raw(s->f->conf, name);

	if (value)
		show(s, name, value);
}

/* The directory counts as set if it was told. */
static bool
tells_directory(const struct request *r, const char *name)
{
	const char *env = getenv("MAIL_CONFIG");

	return strcmp(name, "config_directory") == 0 &&
	    (r->has['c'] || (env && *env));
}

static void
show_listed(const char *name, void *arg)
{
	const struct showing *s = arg;

	if (s->r->has['n'] && tells_directory(s->r, name))
		show(s, name, conf_dir(s->f->conf));
	else
		show_known(name, arg);
}

int
show_params(const struct request *r, const struct files *f)
{
	struct showing s = { r, f };

	if (r->n == 0) {
		conf_names_each(f->names, r->classes, show_listed, &s);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < r->n; i++) {
		unsigned class = conf_names_class(f->names,
		    span_str(r->name[i]));

		if (class == 0 || (class == NAME_USER && r->has['d']))
			warn("%s: unknown parameter", r->name[i]);
		else
			show_listed(r->name[i], &s);
	}
	return EXIT_SUCCESS;
}

/* The length of the name in "name = value". */
static size_t
name_length(const char *text)
{
	size_t n = strcspn(text, "=");

	while (n > 0 && strchr(" \t", text[n - 1]))
		n--;
	return n;
}

static void
warn_ignored(const struct request *r)
{
	for (size_t i = 0; i < r->n; i++) {
		size_t n = name_length(r->name[i]);
		const char *value = strchr(r->name[i], '=');

		for (size_t j = i + 1; value && j < r->n; j++)
			if (name_length(r->name[j]) == n &&
			    strncmp(r->name[i], r->name[j], n) == 0) {
				warn("ignoring earlier request: '%.*s = %s'",
				    (int)n, r->name[i],
				    value + 1 + strspn(value + 1, " \t"));
				break;
			}
	}
}

int
edit_params(const struct request *r)
{
	enum conf_edit kind = r->has['#'] ? CONF_EDIT_COMMENT
	    : r->has['X']                 ? CONF_EDIT_REMOVE
					  : CONF_EDIT_SET;
	struct why why;

	if (kind == CONF_EDIT_SET)
		warn_ignored(r);
	if (conf_edit(r->dir, kind, r->name, r->n, &why) < 0)
		fatal("%s", why.text);
	return EXIT_SUCCESS;
}
