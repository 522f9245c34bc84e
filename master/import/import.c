/* postrider import: what is to be done in which order, and what it tells. */
#include "master/import/import.h"

#include "conf/params.h"
#include "master/command/command.h"
#include "master/command/needed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MEMORY_MAX = 64 << 20,
};

static const char report_name[] = "import-report";

char *
import_text(struct import *im, struct span s)
{
	char *text = arena_dup(im->arena, s);

	if (!text)
		die("import: more than %d bytes", MEMORY_MAX);
	return text;
}

static void append(struct import *im, struct import_list *to, const char *name,
    const char *fmt, va_list args) PRINTF_LIKE(4, 0);

static void
append(struct import *im, struct import_list *to, const char *name,
    const char *fmt, va_list args)
{
	struct import_line *l = ARENA_NEW(im->arena, struct import_line);
	char text[IMPORT_TEXT_MAX];

	if (!l)
		die("import: more than %d bytes", MEMORY_MAX);
	vsnprintf(text, sizeof(text), fmt, args);
	l->name = name ? import_text(im, span_str(name)) : NULL;
	l->text = import_text(im, span_str(text));
	if (to->last)
		to->last->next = l;
	else
		to->first = l;
	to->last = l;
}

void
import_tell(struct import *im, enum import_kind kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(im, &im->report[kind], NULL, fmt, args);
	va_end(args);
}

void
import_tell_of(struct import *im, enum import_kind kind,
    const struct dovecot *d, const char *arg, const char *what)
{
	const char *slash = strrchr(d->file, '/');

	import_tell(im, kind, "%s:%u: %s%s%s%s%s: %s",
	    slash ? slash + 1 : d->file, d->line, d->name, *arg ? " " : "", arg,
	    d->value ? " = " : "", d->value ? d->value : "", what);
}

void
import_param(struct import *im, const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(im, &im->params, name, fmt, args);
	va_end(args);
}

void
import_service(struct import *im, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	append(im, &im->services, NULL, fmt, args);
	va_end(args);
}

const char *
import_has(const struct import *im, const char *name)
{
	const char *found = NULL;

	for (const struct import_line *l = im->params.first; l; l = l->next)
		if (strcmp(l->name, name) == 0)
			found = l->text;
	return found;
}

static void
put_report(const struct import *im, FILE *out)
{
	static const char *const titles[] = { "Taken over", "Has no effect",
		"Needs a decision" };

	for (int i = 0; i < IMPORT_KINDS_N; i++) {
		if (!im->report[i].first)
			continue;
		fprintf(out, "%s:\n", titles[i]);
		for (const struct import_line *l = im->report[i].first; l;
		     l = l->next)
			fprintf(out, "  %s\n", l->text);
		fprintf(out, "\n");
	}
	fprintf(out, "Next: postrider -c %s check\n", im->to);
}

static int
write_report(struct import *im)
{
	FILE *f = import_open(im, report_name, "mail_owner");

	if (!f)
		return -EIO;
	put_report(im, f);
	return import_close(im, f, report_name);
}

static void
ignore(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void
tell_added(const struct needed *n, void *arg)
{
	import_tell(arg, IMPORT_TAKEN,
	    "master.cf: added the service %s, which "
	    "%s",
	    n->service, n->reason);
}

static int
read_source(struct import *im)
{
	int err;

	im->conf = conf_load(im->from, NULL, 0, im->why);
	if (!im->conf)
		return -EINVAL;
	err = entry_list_load(im->from, &im->entries, ignore, NULL, im->why);
	if (err)
		return err;
	im->names = conf_names_new(im->conf, &im->entries);
	return im->dovecot ? import_read_dovecot(im) : 0;
}

static int
add_needed(struct import *im)
{
	struct conf *ours = conf_load(im->to, NULL, 0, im->why);
	int err = ours ? needed_add(im->to, ours, tell_added, im, im->why)
		       : -EINVAL;

	conf_free(ours);
	return err;
}

static int
write_all(struct import *im)
{
	int err = import_copy(im);

	if (!err && im->dovecot) {
		import_dovecot(im);
		import_listeners(im);
		err = import_users(im);
	}
	if (!err)
		err = import_main_cf(im);
	if (!err)
		err = import_master_cf(im);
	if (!err)
		err = add_needed(im);
	return err ? err : write_report(im);
}

/* What somebody has there is his. */
static int
check_place(const struct import *im)
{
	static const char *const names[] = { "main.cf", "master.cf" };
	char path[IMPORT_PATH_MAX];

	if (mkdir(im->to, 0755) < 0 && errno != EEXIST)
		return why_set(im->why, errno, NULL, 0, "%s: %s", im->to,
		    strerror(errno));
	for (size_t i = 0; i < COUNT_OF(names) && !im->force; i++) {
		snprintf(path, sizeof(path), "%s/%s", im->to, names[i]);
		if (access(path, F_OK) == 0)
			return why_set(im->why, EEXIST, NULL, 0,
			    "%s is there already; --force has it replaced",
			    path);
	}
	return 0;
}

static int
find_places(struct import *im, const char *to)
{
	const char *given[] = { im->from, im->dovecot };
	const char **found[] = { &im->from, &im->dovecot };

	for (size_t i = 0; i < COUNT_OF(given); i++) {
		if (!given[i])
			continue;
		*found[i] = realpath(given[i], NULL);
		if (!*found[i])
			return why_set(im->why, errno, NULL, 0, "%s: %s",
			    given[i], strerror(errno));
	}
	im->to = to;
	if (check_place(im) < 0)
		return -EEXIST;
	im->to = realpath(to, NULL);
	if (!im->to || strcmp(im->to, im->from) == 0 ||
	    (im->dovecot && strcmp(im->to, im->dovecot) == 0))
		return why_set(im->why, EINVAL, NULL, 0,
		    "%s: is where it is to be taken from; --to names another "
		    "directory",
		    to);
	return 0;
}

/* False: they are not understood. */
static bool
take_args(struct import *im, char **args, const char **to_r)
{
	for (; *args; args++) {
		if (strcmp(*args, "--force") == 0)
			im->force = true;
		else if (strcmp(*args, "--to") == 0 && args[1])
			*to_r = *++args;
		else if (**args == '-')
			return false;
		else if (!im->from)
			im->from = *args;
		else if (!im->dovecot)
			im->dovecot = *args;
		else
			return false;
	}
	return im->from != NULL;
}

int
verb_import(struct instance *i, char **args)
{
	struct why why;
	struct import im = { .why = &why, .top = { .name = "", .arg = "" } };
	const char *to = i->dir;
	int err;

	if (!take_args(&im, args, &to))
		return command_complain(
		    "import POSTFIX-DIR [DOVECOT-DIR] [--to DIR] [--force]");
	im.arena = arena_new(MEMORY_MAX);
	err = find_places(&im, to);
	if (!err)
		err = read_source(&im);
	if (!err)
		err = write_all(&im);
	if (err)
		command_complain(why.text);
	else
		put_report(&im, stdout);
	conf_names_free(im.names);
	entry_list_free(&im.entries);
	conf_free(im.conf);
	arena_free(im.arena);
	return err ? COMMAND_FAILED : 0;
}
