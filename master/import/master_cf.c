/* master.cf: the services of Postfix, and those that Dovecot had. */
#include "master/import/import.h"

#include "base/scan.h"
#include "conf/lines.h"
#include "master/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum fate {
	STAYS,
	GOES, /* becomes a comment */
	PASSES, /* smtpd behind postscreen: takes clients itself */
};

static bool
is_program(const struct entry_text *e, const char *name)
{
	return strcmp(e->field[7], name) == 0;
}

/* Where postscreen takes clients, or NULL. */
static const char *
find_postscreen(const struct import *im)
{
	for (size_t i = 0; i < im->entries.n; i++)
		if (is_program(&im->entries.at[i], "postscreen") &&
		    strcmp(im->entries.at[i].field[1], "inet") == 0)
			return im->entries.at[i].field[0];
	return NULL;
}

static bool
runs_dovecot(const struct entry_text *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (strstr(e->arg[i], "dovecot-lda") ||
		    strstr(e->arg[i], "dovecot/deliver"))
			return true;
	return false;
}

static enum fate
take_absent(struct import *im, const struct entry_text *e)
{
	if (is_program(e, "postscreen") || is_program(e, "dnsblog") ||
	    is_program(e, "tlsproxy")) {
		import_tell(im, IMPORT_DECIDE,
		    "master.cf:%u: service %s: %s is not part of this version; "
		    "smtpd takes clients itself",
		    e->line, e->field[0], e->field[7]);
		return GOES;
	}
	if (runs_dovecot(e)) {
		import_tell(im, IMPORT_IDLE,
		    "master.cf:%u: service %s: deliveries are virtual's here, "
		    "without Dovecot",
		    e->line, e->field[0]);
		return GOES;
	}
	import_tell(im, IMPORT_DECIDE,
	    "master.cf:%u: service %s: %s is not part of this version; mail "
	    "for it is deferred",
	    e->line, e->field[0], e->field[7]);
	return STAYS;
}

static enum fate
take_entry(struct import *im, const struct entry_text *e)
{
	const struct command *c = command_find(e->field[7]);

	if (!c) {
		import_tell(im, IMPORT_DECIDE,
		    "master.cf:%u: service %s: there is no program %s here; "
		    "the line is a comment now",
		    e->line, e->field[0], e->field[7]);
		return GOES;
	}
	if (c->kind == COMMAND_NOT_YET)
		return take_absent(im, e);
	if (strcmp(e->field[1], "pass") == 0) {
		if (!is_program(e, "smtpd") || !find_postscreen(im))
			return GOES;
		import_tell(im, IMPORT_TAKEN,
		    "master.cf:%u: service %s/pass is %s/inet, as nothing "
		    "passes clients on",
		    e->line, e->field[0], find_postscreen(im));
		return PASSES;
	}
	if (c->kind == COMMAND_BUILT_IN)
		import_tell(im, IMPORT_TAKEN,
		    "master.cf:%u: service %s/%s: is part of %s", e->line,
		    e->field[0], e->field[1], c->where);
	else
		import_tell(im, IMPORT_TAKEN, "master.cf:%u: service %s/%s",
		    e->line, e->field[0], e->field[1]);
	return STAYS;
}

static const struct entry_text *
find_entry(const struct import *im, unsigned line)
{
	for (size_t i = 0; i < im->entries.n; i++)
		if (im->entries.at[i].line == line)
			return &im->entries.at[i];
	return NULL;
}

/* The entry as one of type inet, in the place of postscreen's. */
static void
put_passed(struct import *im, const struct entry_text *e, FILE *out)
{
	struct entry_text inet = *e;
	char *text = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&text, &n);

	inet.field[0] = find_postscreen(im);
	inet.field[1] = "inet";
	inet.field[2] = "n";
	if (!memory)
		die("import: no memory");
	entry_put(memory, &inet, true);
	fclose(memory);
	import_put_paths(im, (struct span){ text, n }, out);
	free(text);
}

static void
put_lines(struct import *im, struct span text, FILE *out)
{
	enum fate fate = STAYS;
	unsigned number = 0;

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');
		const struct entry_text *e = find_entry(im, ++number);

		if (e) {
			fate = take_entry(im, e);
			if (fate == PASSES)
				put_passed(im, e, out);
		}
		if (!lines_is_void(line) && fate != STAYS)
			fputc('#', out);
		import_put_paths(im, line, out);
		fputc('\n', out);
	}
}

int
import_master_cf(struct import *im)
{
	char path[IMPORT_PATH_MAX], *text = NULL;
	struct lines lines;
	FILE *out;
	int err;

	snprintf(path, sizeof(path), "%s/master.cf", im->from);
	err = lines_read(path, &lines, &text, im->why);
	if (err)
		return err;
	out = import_open(im, "master.cf", NULL);
	if (out) {
		put_lines(im, (struct span){ text, lines.n }, out);
		if (im->services.first)
			fprintf(out, "# Of Dovecot's configuration.\n");
		for (const struct import_line *l = im->services.first; l;
		     l = l->next)
			fprintf(out, "%s\n", l->text);
	}
	free(text);
	return out ? import_close(im, out, "master.cf") : -EIO;
}
