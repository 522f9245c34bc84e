/* Tables: whether they open, and are younger than what they were made of. */
#include "master/check/check.h"

#include "base/scan.h"
#include "dict/dict.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	PATH_SIZE = 2048,
};

struct asked_type {
	struct span type;
	bool is_known;
};

static void
compare_type(const char *name, void *arg)
{
	struct asked_type *t = arg;

	t->is_known |= span_eq(span_str(name), t->type);
}

/*
 * Whether a word of a value is a table: many values have words with a colon, so
 * only types that there are count; what else is wrong with it its daemon says. The
 * address of a socket looks like a table of users.
 */
static bool
is_table(struct span element)
{
	struct span rest = element;
	struct asked_type t = { .type = span_cut(&rest, ':') };

	if (rest.p == element.p + element.n || t.type.n == 0)
		return false;
	if (span_eq(t.type, SPAN("proxy")))
		return is_table(rest);
	if (span_eq(t.type, SPAN("unix")))
		return span_eq(rest, SPAN("passwd.byname")) ||
		    span_eq(rest, SPAN("group.byname"));
	dict_each_type(compare_type, &t);
	return t.is_known || dict_names_remote(element);
}

/* Where daemons write and nobody has to have made it. */
static bool
is_made_by_daemons(const char *name)
{
	return check_ends(name, "_cache_database") ||
	    check_ends(name, "_cache_map") || check_ends(name, "_verify_map");
}

static void
check_age(struct checkup *k, const struct check_value *v, const char *name)
{
	const char *source = strchr(name, ':') + 1;
	char made[PATH_SIZE];
	struct stat old, new;

	if (!dict_made_file(name, made, sizeof(made)) || stat(made, &old) < 0 ||
	    stat(source, &new) < 0 || new.st_mtime <= old.st_mtime)
		return;
	check_tell(k, CHECK_WARNING, v,
	    "database %s is older than source file %s; %s %s", made, source,
	    strncmp(v->name, "alias_", 6) == 0 ? "postalias" : "postmap", name);
}

static void
check_table(struct checkup *k, const struct check_value *v, struct span element)
{
	/* What newaliases makes; local names its tables itself. */
	bool is_target = strcmp(v->name, "alias_database") == 0;
	char *name = strndup(element.p, element.n);
	struct dict *d;
	struct why why;

	if (!name)
		return;
	d = dict_open(name, DICT_OWN, &why);
	if (!d)
		check_tell(k, is_target ? CHECK_WARNING : CHECK_ERROR, v,
		    "%s: %s", name, why.text);
	else
		check_age(k, v, name);
	dict_close(d);
	free(name);
}

static void
check_value(struct checkup *k, const struct check_value *v)
{
	struct span rest = span_str(v->text), element;

	dict_use_conf(v->conf);
	while (!is_made_by_daemons(v->name) && conf_list_next(&rest, &element))
		if (is_table(element))
			check_table(k, v, element);
	dict_use_conf(k->conf);
}

void
check_tables(struct checkup *k)
{
	struct why why;

	if (dict_configure(k->conf, &why) < 0)
		check_say(k, CHECK_ERROR, "%s", why.text);
	else
		check_each_value(k, check_value);
}
