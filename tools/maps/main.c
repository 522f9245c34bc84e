/*
 * postmap - makes lookup tables and asks them, as Postfix's does. Called postalias
 * it reads files with the syntax of aliases(5); called newaliases, it makes those
 * that alias_database names.
 */
#include "base/help.h"
#include "base/log.h"
#include "base/scan.h"
#include "conf/conf.h"
#include "conf/environment.h"
#include "dict/dict.h"
#include "tools/maps/postmap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define HELP_OPTIONS \
	"\n" \
	"  -c DIR  the directory of main.cf\n" \
	"  -q KEY  prints the value of KEY; \"-\": of each line of standard input\n" \
	"  -d KEY  takes KEY away; \"-\": each line of standard input\n" \
	"  -s      prints all there is in the table\n" \
	"  -i      adds what standard input has to the table\n" \
	"  -r, -w  of keys that stand twice, the last (-r) or first (-w) counts; silent\n" \
	"  -f      keys keep their capitals\n" \
	"  -n, -N  keys and values are stored without, with a NUL behind them\n" \
	"  -o      root reads the files of others as root\n" \
	"  -p      a new table gets mode 0644, not that of its source\n" \
	"  -u      keys and values need not be UTF-8\n" \
	"  -v      tells what it does\n"

static const char help_postmap[] =
    "usage: postmap [-bfFhimnNoprsuUvw] [-c DIR] [-d|-q KEY] [TYPE:]FILE ...\n"
    "Makes a table of FILE, or looks into one, or changes one.\n" HELP_OPTIONS
    "  -F      values are files, whose contents are stored\n"
    "  -h, -b  with -q -: keys are header fields, body lines of a mail; -m: and\n"
    "          those of its parts; -U: they have to be UTF-8\n"
    "Types: postconf -m. More in postmap(1).\n";

static const char help_postalias[] =
    "usage: postalias [-finNoprsuvw] [-c DIR] [-d|-q KEY] [TYPE:]FILE ...\n"
    "       newaliases [-c DIR]\n"
    "Makes a table of a file of aliases, or looks into one. newaliases makes those\n"
    "of the parameter alias_database.\n" HELP_OPTIONS
    "More in postalias(1); what stands in the file in aliases(5).\n";

static const char *program = "postmap";

static void say(const char *level, const char *fmt, va_list args)
    PRINTF_LIKE(2, 0);

static void
say(const char *level, const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	fprintf(stderr, "%s: %s: %s\n", program, level, text);
}

void
postmap_fatal(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, fmt);
	say("fatal", fmt, args);
	va_end(args);
	exit(EXIT_FAILURE);
}

void
postmap_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("warning", fmt, args);
	va_end(args);
}

void
postmap_name(const struct options *o, const char *given,
    char name[TABLE_NAME_MAX])
{
	bool has_type = strchr(given, ':') != NULL;
	int n = snprintf(name, TABLE_NAME_MAX, "%s%s%s",
	    has_type ? "" : o->default_type, has_type ? "" : ":", given);

	if (n >= TABLE_NAME_MAX)
		postmap_fatal("%.80s...: the name is too long", given);
	if (*name == ':' || name[strcspn(name, ":") + 1] == '\0')
		postmap_fatal("open dictionary: expecting \"type:name\" form "
			      "instead of \"%s\"",
		    given);
}

bool
postmap_text_is_good(const struct options *o, struct span s)
{
	if (o->any_bytes || !o->utf8 ||
	    ((o->headers || o->body) && !o->force_utf8))
		return true;
	return is_utf8(s);
}

const char *
postmap_show(struct span s)
{
	static char text[400];
	size_t n = s.n < sizeof(text) - 1 ? s.n : sizeof(text) - 1;
	bool good = is_utf8(s);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		text[i] = c < ' ' || c == 127 || (c > 127 && !good) ? '?'
								    : (char)c;
	}
	text[n] = '\0';
	return text;
}

static _Noreturn void
usage(const struct options *o)
{
	if (o->aliases)
		postmap_fatal("usage: postalias [-Nfinoprsuvw] [-c config_dir] "
			      "[-d key] [-q key] [map_type:]file...");
	postmap_fatal("usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] "
		      "[-d key] [-q key] [map_type:]file...");
}

/* -q and -d: one of them, once, and no -s. */
static void
set_once(const struct options *o, const char **place, const char *value)
{
	if (o->query || o->remove || o->list)
		postmap_fatal("specify only one of -s%s -q or -d",
		    o->aliases ? " or" : "");
	*place = value;
}

/* Options that are only "yes". */
static bool *
flag_of(struct options *o, int c)
{
	struct {
		char c;
		bool *place;
	} flags[] = {
		{ 'F', &o->files },
		{ 'N', &o->nul },
		{ 'U', &o->force_utf8 },
		{ 'b', &o->body },
		{ 'f', &o->no_fold },
		{ 'h', &o->headers },
		{ 'i', &o->change },
		{ 'm', &o->mime },
		{ 'n', &o->no_nul },
		{ 'o', &o->keep_root },
		{ 'p', &o->no_mode },
		{ 'r', &o->replace },
		{ 'u', &o->any_bytes },
		{ 'v', &o->verbose },
		{ 'w', &o->no_warning },
	};

	for (size_t i = 0; i < COUNT_OF(flags); i++)
		if (flags[i].c == c)
			return flags[i].place;
	return NULL;
}

static void
parse(int argc, char **argv, struct options *o)
{
	const char *letters = o->aliases ? "Nc:d:finopq:rsuvw"
					 : "FNUbc:d:fhimnopq:rsuvw";

	for (int c; (c = getopt(argc, argv, letters)) != -1;) {
		bool *flag = flag_of(o, c);

		if (c == 'c')
			o->dir = optarg;
		else if (c == 'q')
			set_once(o, &o->query, optarg);
		else if (c == 'd')
			set_once(o, &o->remove, optarg);
		else if (c == 's') {
			if (o->query || o->remove)
				postmap_fatal("specify only one of -s or -q "
					      "or -d");
			o->list = true;
		} else if (flag) {
			*flag = true;
		} else {
			usage(o);
		}
	}
	o->no_warning = o->no_warning || o->replace;
	if (o->verbose)
		log_set_debug(true);
	if ((o->headers || o->body) &&
	    (!o->query || strcmp(o->query, "-") != 0))
		postmap_fatal("specify -b -h or -m only with \"-q -\"");
	if (o->mime && !o->headers && !o->body)
		postmap_warn("ignoring -m option without -b or -h");
}

static bool
serve(const struct options *o, char **given, size_t n)
{
	char table[TABLE_NAME_MAX];

	if (o->query)
		return ask_tables(o, given, n);
	if (o->remove)
		return ask_remove(o, given, n);
	for (size_t i = 0; i < n; i++) {
		postmap_name(o, given[i], table);
		if (!o->list) {
			make_table(o, table);
			continue;
		}
		ask_list(o, table);
		break; /* as Postfix has it: the first one */
	}
	return true;
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
}

static void
make_all(const struct options *o, const struct conf *c)
{
	char table[TABLE_NAME_MAX], given[TABLE_NAME_MAX];
	struct span rest, name;
	const char *list;
	struct why why;

	list = conf_get(c, "alias_database", &why);
	if (!list)
		postmap_fatal("%s", why.text);
	rest = span_str(list);
	while (conf_list_next(&rest, &name)) {
		snprintf(given, sizeof(given), "%.*s", (int)name.n, name.p);
		postmap_name(o, given, table);
		make_table(o, table);
	}
}

/* As sendmail -bi does, whose other name it is. */
_Noreturn static void
refuse_recipient(void)
{
	fprintf(stderr,
	    "%s: fatal: alias initialization mode requires no recipient\n",
	    program);
	exit(EX_TEMPFAIL);
}

static struct conf *
load_conf(struct options *o)
{
	static const struct conf_field utf8[] = { CONF_FIELD_AS(CONF_BOOL,
	    struct options, utf8, "smtputf8_enable") };
	struct why why;
	struct conf *c = conf_load_command(o->dir, &why);

	if (!c || conf_get_struct(c, utf8, COUNT_OF(utf8), o, &why) < 0 ||
	    dict_configure(c, &why) < 0)
		postmap_fatal("%s", why.text);
	dict_use_conf(c);
	o->default_type = conf_get(c, "default_database_type", &why);
	if (!o->default_type)
		postmap_fatal("%s", why.text);
	return c;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	bool all, good = true;

	find_program(argv[0]);
	log_init(program, "", -1);
	o.aliases = strcmp(program, "postmap") != 0;
	all = strcmp(program, "newaliases") == 0;
	if (help_asked(argc, argv, o.aliases ? help_postalias : help_postmap))
		return EXIT_SUCCESS;
	parse(argc, argv, &o);
	if (all && optind < argc)
		refuse_recipient();
	if (all)
		program = "postalias"; /* as its lines are known */
	if (optind == argc && !all)
		usage(&o);

	struct conf *c = load_conf(&o);

	if (all)
		make_all(&o, c);
	else
		good = serve(&o, argv + optind, (size_t)(argc - optind));
	conf_free(c);
	if (fflush(stdout) != 0)
		postmap_fatal("standard output cannot be written");
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
