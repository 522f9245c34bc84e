/* main.cf: Postfix's, line by line, with what Dovecot says behind it. */
#include "master/import/import.h"

#include "base/scan.h"
#include "conf/lines.h"
#include "conf/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where Postfix is installed, and who it is. */
static const char places[] =
    "command_directory config_directory daemon_directory data_directory "
    "html_directory mail_owner mail_version mailq_path manpage_directory "
    "meta_directory newaliases_path queue_directory readme_directory "
    "sample_directory sendmail_path setgid_group shlib_directory";

/* Who verifies passwords. */
static const char sasl_servers[] =
    "smtpd_sasl_type smtpd_sasl_path cyrus_sasl_config_path "
    "smtpd_sasl_service";

/* What of Dovecot's a value leads to, or NULL. */
static const char *
dovecot_in(const struct import *im, const char *value)
{
	if (strstr(value, "dovecot-lda") || strstr(value, "dovecot/deliver"))
		return "Dovecot's delivery program";
	for (size_t i = 0; i < im->entries.n; i++) {
		const struct entry_text *e = &im->entries.at[i];

		if (strcmp(e->field[0], value) == 0 &&
		    strcmp(e->field[7], "pipe") == 0 &&
		    dovecot_in(im, entry_command(e)))
			return "a service that runs Dovecot's delivery program";
	}
	return NULL;
}

/* "lmtp:unix:private/x" where no service of ours is called x. */
static bool
is_lost_socket(const struct import *im, const char *value)
{
	const char *name = strstr(value, "lmtp:unix:");

	if (!name)
		return false;
	name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name + 10;
	for (const struct import_line *l = im->services.first; l; l = l->next)
		if (strncmp(l->text, name, strlen(name)) == 0 &&
		    l->text[strlen(name)] == ' ')
			return false;
	return strstr(value, "dovecot") != NULL;
}

/* Of a line that stays, whether it does anything. */
static void
tell_kept(struct import *im, const char *name, const char *value, unsigned line)
{
	const struct param *p = param_find(span_str(name));

	if (!p && conf_names_class(im->names, span_str(name)) == 0)
		import_tell(im, IMPORT_IDLE,
		    "main.cf:%u: %s: nothing knows or uses the name", line,
		    name);
	else if (p && p->state == PARAM_NO_EFFECT)
		import_tell(im, IMPORT_IDLE, "main.cf:%u: %s: %s", line, name,
		    param_reason(p));
	else if (p && p->state == PARAM_NOT_YET)
		import_tell(im, IMPORT_DECIDE,
		    "main.cf:%u: %s: does nothing in this version", line, name);
	else if (is_lost_socket(im, value))
		import_tell(im, IMPORT_DECIDE,
		    "main.cf:%u: %s = %s: is a socket of Dovecot's; give a "
		    "service lmtpd in master.cf that name, or take it out",
		    line, name, value);
	else
		import_tell(im, IMPORT_TAKEN, "main.cf:%u: %s", line, name);
}

/* Whether a line stays; what becomes of it is told. */
static bool
take_param(struct import *im, const char *name, unsigned line)
{
	const char *raw = conf_raw(im->conf, name);
	const char *value = raw ? raw : "";
	const char *whose = dovecot_in(im, value);
	const char *ours = import_has(im, name);

	if (conf_list_has(places, name)) {
		import_tell(im, IMPORT_IDLE,
		    "main.cf:%u: %s: is Postfix's own; ours has its defaults",
		    line, name);
	} else if (conf_list_has(sasl_servers, name)) {
		import_tell(im, IMPORT_IDLE,
		    "main.cf:%u: %s: authd verifies passwords, by "
		    "auth_user_maps",
		    line, name);
	} else if (ours) {
		import_tell(im, IMPORT_TAKEN, "main.cf:%u: %s: is %s now", line,
		    name, ours);
	} else if (whose) {
		import_tell(im, IMPORT_DECIDE,
		    "main.cf:%u: %s = %s: is %s; left out, so mail goes where "
		    "the default of %s says",
		    line, name, value, whose, name);
	} else {
		tell_kept(im, name, value, line);
		return true;
	}
	return false;
}

/* Physical lines, so that comments stay; what goes on shares its fate. */
static void
put_lines(struct import *im, struct span text, FILE *out)
{
	bool stays = true;
	unsigned number = 0;

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');

		number++;
		if (!lines_is_void(line) && !is_white(*line.p)) {
			struct span rest = line;
			char *name = import_text(im,
			    trim_white(span_cut(&rest, '=')));

			stays = take_param(im, name, number);
		}
		if (!lines_is_void(line) && !stays)
			fputc('#', out);
		import_put_paths(im, line, out);
		fputc('\n', out);
	}
}

/* Defaults that are not ours, and that somebody may count on. */
static void
put_defaults(struct import *im, FILE *out)
{
	if (!conf_set_value(im->conf, SPAN("compatibility_level"))) {
		fputs("\n# Postfix's defaults of old hold where nothing is "
		      "said.\ncompatibility_level = 0\n",
		    out);
		import_tell(im, IMPORT_DECIDE,
		    "compatibility_level was not set: Postfix's defaults of "
		    "old hold; 3.6 has those of today");
	}
	if (!conf_set_value(im->conf, SPAN("alias_maps")) &&
	    access("/etc/aliases.db", R_OK) == 0) {
		fputs("\n# Postfix's default.\nalias_maps = "
		      "hash:/etc/aliases\nalias_database = "
		      "hash:/etc/aliases\n",
		    out);
		import_tell(im, IMPORT_TAKEN,
		    "alias_maps = hash:/etc/aliases, which was Postfix's "
		    "default");
	}
}

/* A $ in Dovecot's values means nothing but itself. */
static void
put_params(const struct import *im, FILE *out)
{
	if (im->params.first)
		fprintf(out, "\n# Of Dovecot's configuration, %s.\n",
		    im->dovecot);
	for (const struct import_line *l = im->params.first; l; l = l->next) {
		fprintf(out, "%s = ", l->name);
		for (const char *c = l->text; *c; c++)
			fputs(*c == '$' ? "$$" : (const char[]){ *c, '\0' },
			    out);
		fputc('\n', out);
	}
}

/* Logins were verified by somebody who is not asked any more. */
static void
look_for_logins(struct import *im)
{
	const char *set = conf_set_value(im->conf,
	    SPAN("smtpd_sasl_auth_enable"));
	bool wants = set && strcmp(set, "yes") == 0;

	for (size_t i = 0; i < im->entries.n; i++) {
		const char *on = entry_param(&im->entries.at[i],
		    SPAN("smtpd_sasl_auth_enable"));

		wants |= on && strcmp(on, "yes") == 0;
	}
	if (wants && !import_has(im, "auth_user_maps"))
		import_tell(im, IMPORT_DECIDE,
		    "smtpd_sasl_auth_enable = yes: nobody can log in before "
		    "auth_user_maps says who may; postuser adds users");
}

int
import_main_cf(struct import *im)
{
	char path[IMPORT_PATH_MAX], *text = NULL;
	struct lines lines;
	FILE *out;
	int err;

	snprintf(path, sizeof(path), "%s/main.cf", im->from);
	err = lines_read(path, &lines, &text, im->why);
	if (err)
		return err;
	out = import_open(im, "main.cf", NULL);
	if (!out) {
		free(text);
		return -EIO;
	}
	fprintf(out,
	    "# Imported from %s; import-report says what became of "
	    "it.\n\n",
	    im->from);
	put_lines(im, (struct span){ text, lines.n }, out);
	put_defaults(im, out);
	put_params(im, out);
	look_for_logins(im);
	free(text);
	return import_close(im, out, "main.cf");
}
