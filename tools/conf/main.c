/*
 * postconf - shows and edits main.cf and master.cf, as Postfix's does.
 */
#include "tools/conf/postconf.h"

#include "base/help.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sysexits.h>

static const char help[] =
    "usage: postconf [-dfhHjnx] [-C CLASS] [NAME ...] | -a | -A | -l | -m | -T MODE\n"
    "       postconf -b | -t [FILE]\n"
    "       postconf [-e] NAME=VALUE ... | -# NAME ... | -X NAME ...\n"
    "       postconf -M | -F | -P [-fhHjx] [SERVICE[/TYPE[/KEY]] ...]\n"
    "       postconf -M | -F | -P [-e] SERVICE/TYPE[/KEY]=VALUE ...\n"
    "       postconf -M# | -MX | -PX SERVICE/TYPE[/KEY] ...\n"
    "Shows and changes main.cf and master.cf.\n"
    "  -c DIR      the directory of main.cf and master.cf\n"
    "  -C CLASS    only these names: builtin, service, user\n"
    "  -d, -n      defaults; only what main.cf sets\n"
    "  -h, -H      values without names; names without values\n"
    "  -x          values with $NAME replaced\n"
    "  -f, -j      long lines folded; a JSON object a line\n"
    "  -o N=VALUE  as if main.cf said so\n"
    "  -e, -#, -X  sets (NAME=VALUE alone does, too), puts a # before, removes\n"
    "  -M, -F, -P  lines of master.cf, their fields, their parameters (-o)\n"
    "  -m, -l      types of tables; ways to lock a mailbox\n"
    "  -a, -A      the type of SASL of the server; of the client\n"
    "  -b, -t      texts of reports to senders, as they read; as they are written\n"
    "  -T MODE     compile-version, run-version, public-key-algorithms\n"
    "More in postconf(1); all parameters in postconf(5).\n";

static void tell(const char *level, const char *fmt, va_list args)
    PRINTF_LIKE(2, 0);

static void
tell(const char *level, const char *fmt, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, args);
	/* What a file says must not move a terminal's cursor. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	fprintf(stderr, "postconf: %s%s\n", level, text);
}

void
fatal(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell("fatal: ", fmt, args);
	va_end(args);
	exit(EXIT_FAILURE);
}

void
warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell("warning: ", fmt, args);
	va_end(args);
}

static void
warn_of(const char *text, void *arg)
{
	(void)arg;
	warn("%s", text);
}

static unsigned
parse_classes(const char *text)
{
	static const struct {
		const char *name;
		unsigned class;
	} names[] = { { "all", NAME_ALL }, { "builtin", NAME_BUILTIN },
		{ "service", NAME_SERVICE }, { "user", NAME_USER } };
	struct span rest = span_str(text), word;
	unsigned classes = 0;

	while (conf_list_next(&rest, &word)) {
		unsigned class = 0;

		for (size_t i = 0; i < COUNT_OF(names); i++)
			if (span_ieq(word, span_str(names[i].name)))
				class = names[i].class;
		if (class == 0)
			fatal("unknown -C option value \"%.*s\" in \"%s\"",
			    (int)word.n, word.p, text);
		classes |= class;
	}
	return classes;
}

static void
add_override(struct request *r, const char *text)
{
	if (r->override_n == OVERRIDES_MAX)
		fatal("too many -o");
	if (!strchr(text, '='))
		fatal("invalid parameter override: %s: missing '=' after "
		      "attribute name",
		    text);
	r->override[r->override_n++] = text;
}

static void
parse(int argc, char **argv, struct request *r)
{
	r->classes = NAME_ALL;
	for (int c;
	     (c = getopt(argc, argv, "aAbc:C:defFhHjlmMno:pPtT:vxX#")) != -1;) {
		if (c == '?')
			fatal("usage: postconf [-aAlmM...] [name...]; "
			      "--help tells more");
		r->has[c] = true;
		if (c == 'c')
			r->dir = optarg;
		else if (c == 'C')
			r->classes = parse_classes(optarg);
		else if (c == 'o')
			add_override(r, optarg);
		else if (c == 'T')
			r->tls_mode = optarg;
	}
	r->dir = conf_find_dir(r->dir);
	r->name = (const char *const *)(argv + optind);
	r->n = (size_t)(argc - optind);
}

static bool
lists(const struct request *r)
{
	return r->has['a'] || r->has['A'] || r->has['l'] || r->has['m'] ||
	    r->has['T'];
}

/* Without -e too, "name=value" is an edit. */
static bool
is_edit(struct request *r)
{
	if (!lists(r) && r->n > 0 && strchr(r->name[0], '='))
		r->has['e'] = true;
	return r->has['e'] || r->has['#'] || r->has['X'];
}

static int
edit(const struct request *r)
{
	if (r->n == 0)
		fatal(r->has['e'] ? "-e requires name=value argument"
				  : "missing service argument");
	if (r->has['M'] || r->has['F'] || r->has['P'])
		return edit_services(r);
	return edit_params(r);
}

/* Of defaults main.cf is no part; of main.cf master.cf is, if it is there. */
static void
load(const struct request *r, struct files *f)
{
	bool services = r->has['M'] || r->has['F'] || r->has['P'];
	struct why why;
	int error;

	f->conf = r->has['d']
	    ? conf_new(r->dir)
	    : conf_load(r->dir, r->override, r->override_n, &why);
	if (!f->conf)
		fatal("%s", why.text);
	conf_each_remark(f->conf, warn_of, NULL);
	error = entry_list_load(r->dir, &f->entries, warn_of, NULL, &why);
	if (error && (services || error != -ENOENT))
		fatal("%s", why.text);
	if (error)
		warn("%s", why.text);
	f->names = conf_names_new(f->conf, &f->entries);
	conf_names_each_undefined(f->names, warn_of, NULL);
}

static int
show(const struct request *r)
{
	struct files f = { 0 };
	bool services = r->has['M'] || r->has['F'] || r->has['P'];
	int status;

	load(r, &f);
	status = r->has['M'] ? show_services(r, &f)
	    : r->has['F']    ? show_fields(r, &f)
	    : r->has['P']    ? show_service_params(r, &f)
			     : show_params(r, &f);
	fflush(stdout);
	if (!r->has['d'])
		conf_names_each_unused(f.names, !services, warn_of, NULL);
	conf_names_free(f.names);
	entry_list_free(&f.entries);
	conf_free(f.conf);
	return status;
}

int
main(int argc, char **argv)
{
	static struct request r;
	int status;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	parse(argc, argv, &r);

	bool edits = is_edit(&r);

	options_check(&r);
	status = lists(&r)             ? list_things(&r)
	    : r.has['b'] || r.has['t'] ? show_templates(&r)
	    : edits                    ? edit(&r)
				       : show(&r);
	return fflush(stdout) == 0 && !ferror(stdout) ? status : EX_IOERR;
}
