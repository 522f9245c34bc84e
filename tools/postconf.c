/*
 * postconf - shows and edits main.cf, as Postfix's does.
 */
#include "base/help.h"
#include "conf/conf.h"
#include "conf/master_cf.h"
#include "conf/params.h"
#include "dict/dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sysexits.h>

enum {
	OVERRIDES_MAX = 1000,
	EXPANDED_MAX = 1 << 24,
};

static const char help[] =
    "usage: postconf [-dehHnxv] [-c DIR] [-o NAME=VALUE] [NAME ...]\n"
    "       postconf [-e] NAME=VALUE ... | -# NAME ... | -X NAME ...\n"
    "       postconf -M [NAME[/TYPE] ...] | -m\n"
    "Shows and changes main.cf, and shows master.cf.\n"
    "\n"
    "  -c DIR         the directory of main.cf and master.cf\n"
    "  -d             defaults, whatever main.cf says\n"
    "  -n             only what main.cf sets\n"
    "  -h             values without names\n"
    "  -H             names without values\n"
    "  -x             values with $NAME replaced\n"
    "  -o NAME=VALUE  as if main.cf said so\n"
    "  -e             sets parameters (so does NAME=VALUE alone)\n"
    "  -#             puts a # before them\n"
    "  -X             removes them\n"
    "  -M             services of master.cf\n"
    "  -m             types of tables\n"
    "More in postconf(1); all parameters in postconf(5).\n";

struct options {
	const char *dir; /* -c */
	const char *override[OVERRIDES_MAX]; /* -o */
	size_t override_n;
	bool defaults; /* -d */
	bool set_only; /* -n */
	bool values_only; /* -h */
	bool names_only; /* -H */
	bool expanded; /* -x */
	bool edit; /* -e */
	bool comment; /* -# */
	bool remove; /* -X */
	bool types; /* -m */
	bool services; /* -M */
};

struct shown {
	const struct options *o;
	const struct conf *conf;
	const char **name;
	size_t n;
	size_t max;
};

static _Noreturn void
fatal(const char *text)
{
	fprintf(stderr, "postconf: fatal: %s\n", text);
	exit(EXIT_FAILURE);
}

/* A value on one line, as Postfix shows it. */
static void
show(const struct shown *s, const char *name, const char *value)
{
	struct why why;
	struct arena *a CLEANUP(arena_freep) = arena_new(EXPANDED_MAX);

	if (s->o->names_only) {
		printf("%s\n", name);
		return;
	}
	if (s->o->expanded) {
		value = conf_expand(s->conf, span_str(value), a, &why);
		if (!value)
			fatal(why.text);
	}
	if (s->o->values_only)
		printf("%s\n", value);
	else
		printf("%s =%s%s\n", name, *value ? " " : "", value);
}

static void
show_name(const struct shown *s, const char *name)
{
	const char *value = s->o->defaults ? conf_default(s->conf, name)
					   : conf_raw(s->conf, name);

	if (value)
		show(s, name, value);
	else
		fprintf(stderr, "postconf: warning: %s: unknown parameter\n",
		    name);
}

static void
add_name(struct shown *s, const char *name)
{
	if (s->n == s->max) {
		size_t max = s->max ? s->max * 2 : 2048;
		const char **more = zalloc(max * sizeof(*more));

		if (s->n > 0)
			memcpy(more, s->name, s->n * sizeof(*more));
		free(s->name);
		s->name = more;
		s->max = max;
	}
	s->name[s->n++] = name;
}

static void
add_param(const struct param *p, void *arg)
{
	add_name(arg, p->name);
}

static void
add_set(const char *name, const char *raw, void *arg)
{
	struct shown *s = arg;

	(void)raw;
	if (s->o->set_only || !param_find(span_str(name)))
		add_name(s, name);
}

static void
drop_unused(const char *name, const char *raw, void *arg)
{
	struct shown *s = arg;

	(void)raw;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->name[i], name) == 0)
			s->name[i--] = s->name[--s->n];
}

static void
warn_unused(const char *name, const char *raw, void *arg)
{
	const struct shown *s = arg;

	fprintf(stderr,
	    "postconf: warning: %s/main.cf: unused parameter: "
	    "%s=%s\n",
	    conf_dir(s->conf), name, raw);
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

static void
show_all(struct shown *s)
{
	if (!s->o->set_only)
		param_each(add_param, s);
	if (!s->o->defaults)
		conf_each(s->conf, add_set, s);
	if (s->o->set_only && (s->o->dir || getenv("MAIL_CONFIG")))
		add_name(s, "config_directory");
	conf_each_unused(s->conf, drop_unused, s);
	if (s->n > 0)
		qsort(s->name, s->n, sizeof(s->name[0]), compare_names);
	for (size_t i = 0; i < s->n; i++)
		if (i == 0 || strcmp(s->name[i - 1], s->name[i]) != 0)
			show_name(s, s->name[i]);
	free(s->name);
}

static void
print_type(const char *name, void *arg)
{
	(void)arg;
	printf("%s\n", name);
}

/* Whether "name" or "name/type" means this service. */
static bool
is_meant(const char *pattern, const struct service_line *l)
{
	struct span type = { pattern, strlen(pattern) };
	struct span name = span_cut(&type, '/');

	return (span_eq(name, span_str(l->name)) || span_eq(name, SPAN("*"))) &&
	    (type.n == 0 || span_eq(type, SPAN("*")) ||
		span_eq(type, span_str(l->field[1])));
}

static void
show_service(const struct service_line *l)
{
	static const int column[SERVICE_FIELDS_N] = { 0, 11, 17, 25, 33, 41, 49,
		57 };
	int at = 0;

	for (size_t i = 0; i < SERVICE_FIELDS_N; i++) {
		int gap = i == 0 ? 0 : at < column[i] ? column[i] - at : 1;

		at += printf("%*s%s", gap, "", l->field[i]);
	}
	for (size_t i = 0; i < l->args_n; i++) {
		bool blank = !*l->args[i] || strpbrk(l->args[i], " \t,");

		printf(blank ? " { %s }" : " %s", l->args[i]);
	}
	putchar('\n');
}

static void
show_services(const struct conf *c, char **pattern, size_t n)
{
	struct why why;
	struct master_cf *m = master_cf_load(c, &why);

	if (!m)
		fatal(why.text);
	for (size_t i = 0; i < master_cf_count(m); i++) {
		bool wanted = n == 0;

		for (size_t j = 0; j < n; j++)
			wanted |= is_meant(pattern[j], master_cf_at(m, i));
		if (wanted)
			show_service(master_cf_at(m, i));
	}
	master_cf_free(m);
}

static void
parse(int argc, char **argv, struct options *o)
{
	for (int c; (c = getopt(argc, argv, "c:dehHmMno:xX#v")) != -1;)
		switch (c) {
		case 'c':
			o->dir = optarg;
			break;
		case 'o':
			if (o->override_n == OVERRIDES_MAX)
				fatal("too many -o");
			o->override[o->override_n++] = optarg;
			break;
		case 'd':
			o->defaults = true;
			break;
		case 'n':
			o->set_only = true;
			break;
		case 'h':
			o->values_only = true;
			break;
		case 'H':
			o->names_only = true;
			break;
		case 'x':
			o->expanded = true;
			break;
		case 'e':
			o->edit = true;
			break;
		case '#':
			o->comment = true;
			break;
		case 'X':
			o->remove = true;
			break;
		case 'm':
			o->types = true;
			break;
		case 'M':
			o->services = true;
			break;
		case 'v':
			break;
		default:
			fprintf(stderr,
			    "usage: postconf [-dehHmMnxX#v] [-c dir] "
			    "[-o name=value] [name...]\n");
			exit(EXIT_FAILURE);
		}
	if (o->defaults && o->set_only)
		fatal("specify one of -d -n");
	if (o->edit + o->comment + o->remove > 1)
		fatal("specify one of -e -# -X");
}

/* Without -e too, "name=value" is an edit. */
static bool
is_edit(const struct options *o, char **argv, size_t n)
{
	if (o->edit || o->comment || o->remove)
		return true;
	return n > 0 && !o->services && strchr(argv[0], '=');
}

static int
edit(const struct options *o, char **argv, size_t n)
{
	struct why why;
	enum conf_edit kind = o->comment ? CONF_EDIT_COMMENT
	    : o->remove                  ? CONF_EDIT_REMOVE
					 : CONF_EDIT_SET;

	if (o->services)
		fatal("-M shows services; edit master.cf by hand");
	if (n == 0)
		fatal("-e, -# and -X want names");
	if (conf_edit(conf_find_dir(o->dir), kind, (const char *const *)argv, n,
		&why) < 0)
		fatal(why.text);
	return EXIT_SUCCESS;
}

static void
show_names(struct shown *s, char **name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		show_name(s, name[i]);
}

/* Modules are there if the configuration says so; without one there are none. */
static int
show_types(const struct options *o)
{
	struct why ignored;
	struct conf *c = conf_load(conf_find_dir(o->dir), o->override,
	    o->override_n, &ignored);

	dict_use_conf(c);
	dict_each_type(print_type, NULL);
	dict_use_conf(NULL);
	conf_free(c);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	static struct options o;
	struct shown s = { .o = &o };
	struct why why;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	parse(argc, argv, &o);
	argv += optind;

	size_t n = (size_t)(argc - optind);

	if (o.types)
		return show_types(&o);
	if (is_edit(&o, argv, n))
		return edit(&o, argv, n);

	struct conf *c = conf_load(conf_find_dir(o.dir), o.override,
	    o.override_n, &why);

	if (!c)
		fatal(why.text);
	s.conf = c;
	if (o.services)
		show_services(c, argv, n);
	else if (n > 0)
		show_names(&s, argv, n);
	else
		show_all(&s);
	if (!o.services && !o.defaults)
		conf_each_unused(c, warn_unused, &s);
	conf_free(c);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EX_IOERR;
}
