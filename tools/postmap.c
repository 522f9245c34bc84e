/*
 * postmap - makes lookup tables and asks them, as Postfix's does. Called postalias
 * it reads files with the syntax of aliases(5); called newaliases, it makes those
 * that alias_database names.
 */
#include "base/help.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "dict/build.h"
#include "dict/dict.h"
#include "dict/rows.h"
#include "mail/aliases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VALUE_MAX = 16 << 20,
	TABLE_NAME_MAX = 2048,
};

struct options {
	const char *dir; /* -c */
	const char *query; /* -q */
	const char *default_type;
	bool list; /* -s */
	bool no_fold; /* -f */
	bool no_mode; /* -p: 0644, not the mode of the source */
	bool no_warning; /* -w */
	bool verbose; /* -v */
};

#define HELP_OPTIONS \
	"\n" \
	"  -c DIR  the directory of main.cf\n" \
	"  -q KEY  prints the value of KEY; \"-\": of each line of standard input\n" \
	"  -s      prints all there is in the table\n" \
	"  -f      keys keep their capitals\n" \
	"  -p      the table gets mode 0644, not that of its source\n" \
	"  -r, -w  says nothing of keys that stand twice\n" \
	"  -v      tells what it does\n"

static const char help_postmap[] =
    "usage: postmap [-fprsvw] [-c DIR] [-q KEY] [TYPE:]FILE ...\n"
    "Makes a table of FILE, or looks into one.\n" HELP_OPTIONS
    "Types: postconf -m. More in postmap(1).\n";

static const char help_postalias[] =
    "usage: postalias [-fprsvw] [-c DIR] [-q KEY] [TYPE:]FILE ...\n"
    "       newaliases [-c DIR]\n"
    "Makes a table of a file of aliases, or looks into one. newaliases makes those\n"
    "of the parameter alias_database.\n" HELP_OPTIONS
    "More in postalias(1); what stands in the file in aliases(5).\n";

static const char *program = "postmap";
static bool of_aliases;

static _Noreturn void
fatal(const char *text)
{
	fprintf(stderr, "%s: fatal: %s\n", program, text);
	exit(EXIT_FAILURE);
}

static void
warn_row(const char *file, unsigned line, const char *text, struct span s)
{
	fprintf(stderr, "%s: warning: %s, line %u: %s", program, file, line,
	    text);
	if (s.n > 0)
		fprintf(stderr, "\"%.*s\"", (int)s.n, s.p);
	fputc('\n', stderr);
}

/* "type:name", with the default type put before what has none. */
static void
full_name(const struct options *o, const char *given, char *name, size_t size)
{
	const char *colon = strchr(given, ':');
	const char *slash = strchr(given, '/');
	bool has_type = colon && (!slash || colon < slash);

	snprintf(name, size, "%s%s%s", has_type ? "" : o->default_type,
	    has_type ? "" : ":", given);
}

/* A key as it is stored: lower-case, but for -f. */
static struct span
folded(const struct options *o, struct arena *a, struct span key)
{
	char *copy = arena_dup(a, key);

	if (!copy)
		fatal("a key is too long");
	for (size_t i = 0; i < key.n && !o->no_fold; i++)
		copy[i] = ascii_lower(copy[i]);
	return (struct span){ copy, key.n };
}

static void
add(const struct options *o, struct dict_build *b, const char *file,
    unsigned number, struct span key, struct span value)
{
	struct why why;

	switch (dict_build_add(b, key, value, &why)) {
	case DICT_BUILD_ADDED:
		break;
	case DICT_BUILD_TWICE:
		if (!o->no_warning)
			warn_row(file, number, "duplicate entry: ", key);
		break;
	case DICT_BUILD_FAILED:
		dict_build_abort(b);
		fatal(why.text);
	}
}

static void
add_row(const struct options *o, struct dict_build *b, const char *file,
    unsigned number, struct span line)
{
	static const struct span none = { NULL, 0 };
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MAX);
	struct span key;
	struct span value;

	switch (row_parse(line, &key, &value)) {
	case ROW_TAKEN:
		break;
	case ROW_NO_VALUE:
		warn_row(file, number, "expected format: key whitespace value",
		    none);
		return;
	case ROW_UNBALANCED:
		warn_row(file, number, "unbalanced '\"', ignoring this line",
		    none);
		return;
	}
	if (row_is_alias(key))
		warn_row(file, number,
		    "record is in \"key: value\" format; is this an alias "
		    "file?",
		    none);
	add(o, b, file, number, folded(o, a, key), value);
}

/* What is not understood is told now; mail to it would come back later. */
static void
check_items(const char *file, unsigned number, struct arena *a,
    struct span value)
{
	struct alias_item item;
	struct span raw;

	while (aliases_cut(&value, &raw)) {
		if (!aliases_parse(raw, a, &item))
			fatal("a value is too long");
		if (item.kind == ALIAS_BAD)
			warn_row(file, number, "bad address: ", raw);
	}
}

static void
add_alias(const struct options *o, struct dict_build *b, const char *file,
    unsigned number, struct span line)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MAX);
	struct span name, value;

	if (!aliases_take_line(line, a, &name, &value)) {
		warn_row(file, number, "need name:value pair: ", line);
		return;
	}
	if (memchr(name.p, '@', name.n)) {
		warn_row(file, number, "name must be local: ", name);
		return;
	}
	check_items(file, number, a, value);
	add(o, b, file, number, name, value);
}

static void
build(const struct options *o, const char *table)
{
	const char *file = strchr(table, ':') + 1;
	struct dict_build *b;
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	struct why why;
	struct stat st;

	if (lines_read(file, &lines, &text, &why) < 0 || stat(file, &st) < 0)
		fatal(why.text);
	b = dict_build_begin(table, o->no_mode ? 0644 : st.st_mode & 0666,
	    &why);
	if (!b)
		fatal(why.text);
	if (o->verbose)
		fprintf(stderr, "%s: making %s\n", program, table);
	while (lines_next(&lines, &line, &number))
		if (of_aliases)
			add_alias(o, b, file, number, line);
		else
			add_row(o, b, file, number, line);
	free(text);
	if (dict_build_commit(b, &why) < 0)
		fatal(why.text);
}

static struct dict *
open_table(const struct options *o, const char *table)
{
	struct why why;
	struct dict *d = dict_open(table, o->no_fold ? DICT_NO_FOLD : 0, &why);

	if (!d)
		fatal(why.text);
	return d;
}

/* Whether there is a value, which is then printed. */
static bool
ask(struct dict *d, struct span key, bool with_key)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MAX);
	struct span value;
	struct why why;

	switch (dict_get(d, key, a, &value, &why)) {
	case DICT_FOUND:
		if (with_key)
			printf("%.*s\t", (int)key.n, key.p);
		printf("%.*s\n", (int)value.n, value.p);
		return true;
	case DICT_ABSENT:
		return false;
	case DICT_TEMPFAIL:
		fatal(why.text);
	}
	return false;
}

/* Keys from standard input, a line each. */
static bool
ask_many(const struct options *o, char **given, size_t n)
{
	char table[TABLE_NAME_MAX];
	struct dict **d = zalloc((n + 1) * sizeof(struct dict *));
	char *line = NULL;
	size_t size = 0;
	bool any = false;
	ssize_t len;

	for (size_t i = 0; i < n; i++) {
		full_name(o, given[i], table, sizeof(table));
		d[i] = open_table(o, table);
	}
	while ((len = getline(&line, &size, stdin)) > 0) {
		struct span key = { line, (size_t)len };

		if (key.p[key.n - 1] == '\n')
			key.n--;
		for (size_t i = 0; i < n; i++)
			if (ask(d[i], key, true)) {
				any = true;
				break;
			}
	}
	free(line);
	for (size_t i = 0; i < n; i++)
		dict_close(d[i]);
	free(d);
	return any;
}

static bool
ask_one(const struct options *o, char **given, size_t n)
{
	struct span key = { o->query, strlen(o->query) };
	char table[TABLE_NAME_MAX];
	bool found = false;

	for (size_t i = 0; i < n && !found; i++) {
		full_name(o, given[i], table, sizeof(table));

		struct dict *d = open_table(o, table);

		found = ask(d, key, false);
		dict_close(d);
	}
	return found;
}

static void
print_row(struct span key, struct span value, void *arg)
{
	(void)arg;
	printf("%.*s\t%.*s\n", (int)key.n, key.p, (int)value.n, value.p);
}

/* The rows of a table that is a text, as they would be looked up. */
static void
list_text(const struct options *o, const char *table)
{
	const char *file = strchr(table, ':') + 1;
	struct dict *d = open_table(o, table);
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	struct why why;

	if (lines_read(file, &lines, &text, &why) < 0)
		fatal(why.text);
	while (lines_next(&lines, &line, &number)) {
		struct span key;
		struct span value;

		if (row_parse(line, &key, &value) == ROW_TAKEN)
			(void)ask(d, key, true);
	}
	free(text);
	dict_close(d);
}

static void
list(const struct options *o, const char *table)
{
	struct why why;

	if (strncmp(table, "texthash:", 9) == 0)
		list_text(o, table);
	else if (dict_each(table, print_row, NULL, &why) < 0)
		fatal(why.text);
}

static void
parse(int argc, char **argv, struct options *o)
{
	for (int c; (c = getopt(argc, argv, "c:q:fnNoprsuUvw")) != -1;)
		switch (c) {
		case 'c':
			o->dir = optarg;
			break;
		case 'q':
			if (o->query)
				fatal("specify -q only once");
			o->query = optarg;
			break;
		case 's':
			o->list = true;
			break;
		case 'f':
			o->no_fold = true;
			break;
		case 'p':
			o->no_mode = true;
			break;
		case 'r':
		case 'w':
			o->no_warning = true;
			break;
		case 'v':
			o->verbose = true;
			log_set_debug(true);
			break;
		case 'n': /* keys have a NUL behind them here, always */
		case 'N':
		case 'o': /* privileges are never dropped */
		case 'u': /* keys are bytes */
		case 'U':
			break;
		default:
			fatal("usage: postmap [-fnNoprsuUvw] [-c config_dir] "
			      "[-q key] [map_type:]file...");
		}
}

static int
serve(const struct options *o, char **given, size_t n)
{
	char table[TABLE_NAME_MAX];

	if (o->query && strcmp(o->query, "-") == 0)
		return ask_many(o, given, n) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (o->query)
		return ask_one(o, given, n) ? EXIT_SUCCESS : EXIT_FAILURE;
	for (size_t i = 0; i < n; i++) {
		full_name(o, given[i], table, sizeof(table));
		if (o->list)
			list(o, table);
		else
			build(o, table);
	}
	return EXIT_SUCCESS;
}

/* By which of its names it was called. */
static void
find_program(const char *path)
{
	static const char *const names[] = { "postalias", "newaliases" };
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(slash ? slash + 1 : path, names[i]) == 0)
			program = names[i];
	of_aliases = strcmp(program, "postmap") != 0;
}

static void
make_all(const struct options *o, const struct conf *c)
{
	static char table[TABLE_NAME_MAX], given[TABLE_NAME_MAX];
	struct span rest, name;
	const char *list;
	struct why why;

	list = conf_get(c, "alias_database", &why);
	if (!list)
		fatal(why.text);
	rest = span_str(list);
	while (conf_list_next(&rest, &name)) {
		snprintf(given, sizeof(given), "%.*s", (int)name.n, name.p);
		full_name(o, given, table, sizeof(table));
		build(o, table);
	}
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct why why;
	bool all;
	int status = EXIT_SUCCESS;

	find_program(argv[0]);
	if (help_asked(argc, argv, of_aliases ? help_postalias : help_postmap))
		return EXIT_SUCCESS;
	parse(argc, argv, &o);
	all = strcmp(program, "newaliases") == 0;
	if (optind == argc && !all)
		fatal("usage: postmap [-fnNoprsuUvw] [-c config_dir] [-q key] "
		      "[map_type:]file...");

	struct conf *c = conf_load(conf_find_dir(o.dir), NULL, 0, &why);

	if (!c)
		fatal(why.text);
	dict_use_conf(c);
	o.default_type = conf_get(c, "default_database_type", &why);
	if (!o.default_type)
		fatal(why.text);
	if (all)
		make_all(&o, c);
	else
		status = serve(&o, argv + optind, (size_t)(argc - optind));
	conf_free(c);
	if (fflush(stdout) != 0)
		fatal("standard output cannot be written");
	return status;
}
