/* Dovecot's users: who verified them, and whose their mail is. */
#include "master/import/import.h"

#include "base/scan.h"
#include "conf/lines.h"
#include "master/import/users.h"
#include "sasl/scheme.h"
#include "service/privs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIELDS = 7, /* of a line of a passwd-file, and what is extra */
};

/* "passdb sql {", "passdb {" with "driver = sql". */
static const char *
driver_of(struct dovecot *d)
{
	const char *driver = dovecot_value(d, "driver");

	return driver ? driver : d->arg;
}

/* The value of NAME=VALUE in a list of words; or the last word without one. */
static char *
arg_of(struct import *im, const char *args, const char *name)
{
	struct span rest = span_str(args ? args : ""), word, found = { 0 };
	size_t n = strlen(name);

	while (take_blanks(&rest), take_word(&rest, &word)) {
		if (n == 0 && !memchr(word.p, '=', word.n))
			found = word;
		else if (n > 0 && word.n > n && word.p[n] == '=' &&
		    memcmp(word.p, name, n) == 0)
			found = (struct span){ word.p + n + 1, word.n - n - 1 };
	}
	return found.p ? import_text(im, found) : NULL;
}

/* One line "user:password:uid:gid:gecos:home:shell:extra". */
struct account {
	struct span name, hash, uid, gid, home, extra;
};

static bool
take_account(struct span line, struct account *a_r)
{
	struct span field[FIELDS];

	for (int i = 0; i < FIELDS; i++)
		field[i] = span_cut(&line, ':');
	*a_r = (struct account){ field[0], field[1], field[2], field[3],
		field[5], line };
	return a_r->name.n > 0 && a_r->hash.n > 0;
}

/* What would be forbidden there and allowed here is not taken over. */
static const char *
refusal_of(const struct account *a, const char *stored)
{
	static const char *const words[] = { "nologin", "nopassword",
		"allow_nets", "deny", "proxy", "host=", "allow_real_nets" };
	char extra[512];
	struct why why;

	snprintf(extra, sizeof(extra), "%.*s", (int)a->extra.n, a->extra.p);
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strstr(extra, words[i]))
			return words[i];
	if (memchr(a->name.p, ' ', a->name.n) ||
	    memchr(a->home.p, ' ', a->home.n))
		return "a blank";
	return scheme_is_usable(span_str(stored), &why)
	    ? NULL
	    : "its scheme, which authd does not know";
}

static void
put_field(FILE *out, const char *name, struct span value)
{
	if (value.n > 0)
		fprintf(out, " %s=%.*s", name, (int)value.n, value.p);
}

static void
put_account(struct import *im, const struct account *a, const char *scheme,
    const char *file, FILE *out)
{
	char stored[SCHEME_STORED_MAX + 1];
	const char *refusal;
	bool has_scheme = *a->hash.p == '{' || *a->hash.p == '$';

	snprintf(stored, sizeof(stored), "%s%s%s%.*s", has_scheme ? "" : "{",
	    has_scheme ? "" : scheme, has_scheme ? "" : "}", (int)a->hash.n,
	    a->hash.p);
	refusal = refusal_of(a, stored);
	if (refusal) {
		import_tell(im, IMPORT_DECIDE, "%s: user %.*s is left out: %s",
		    file, (int)a->name.n, a->name.p, refusal);
		return;
	}
	fprintf(out, "%.*s %s", (int)a->name.n, a->name.p, stored);
	put_field(out, "uid", a->uid);
	put_field(out, "gid", a->gid);
	put_field(out, "home", a->home);
	fputc('\n', out);
}

static int
copy_accounts(struct import *im, const char *path, const char *scheme,
    const char *name)
{
	struct lines lines;
	char *text = NULL;
	struct span all;
	FILE *out;
	int err = lines_read(path, &lines, &text, im->why);

	if (err)
		return err;
	out = import_open(im, name, "auth_owner");
	if (!out) {
		free(text);
		return -EIO;
	}
	fprintf(out, "# Of %s.\n", path);
	all = (struct span){ text, lines.n };
	while (all.n > 0) {
		struct span line = trim_white(span_cut(&all, '\n'));
		struct account a;

		if (line.n > 0 && *line.p != '#' && take_account(line, &a))
			put_account(im, &a, scheme, path, out);
	}
	free(text);
	return import_close(im, out, name);
}

static void
add_maps(struct import *im, const char *type, const char *name)
{
	const char *old = import_has(im, "auth_user_maps");

	import_param(im, "auth_user_maps", "%s%s%s:%s/%s", old ? old : "",
	    old ? " " : "", type, im->to, name);
}

static int
take_passwd_file(struct import *im, struct dovecot *d, unsigned number)
{
	const char *args = dovecot_value(d, "args");
	const char *path = dovecot_value(d, "passwd_file_path");
	const char *scheme = dovecot_value(d, "default_password_scheme");
	const char *format;
	char name[64], what[256], file[IMPORT_PATH_MAX];
	struct why why;
	int err;

	if (!path)
		path = arg_of(im, args, "");
	if (!scheme)
		scheme = arg_of(im, args, "scheme");
	if (!path || strchr(path, '%')) {
		import_tell_of(im, IMPORT_DECIDE, d, "passwd-file",
		    "it is one file for all that can be taken over");
		return 0;
	}
	format = arg_of(im, args, "username_format");
	if (format && strchr(format, 'u') == NULL) {
		snprintf(what, sizeof(what),
		    "username_format=%s: users log in by the names that are in "
		    "the table here",
		    format);
		import_tell_of(im, IMPORT_DECIDE, d, "passwd-file", what);
	}
	snprintf(name, sizeof(name), number ? "users-%u" : "users", number);
	import_dovecot_path(im, d->file, path, file);
	err = copy_accounts(im, file, scheme ? scheme : "CRYPT", name);
	if (err) {
		why = *im->why;
		import_tell_of(im, IMPORT_DECIDE, d, "passwd-file", why.text);
		return 0;
	}
	add_maps(im, "texthash", name);
	import_tell_of(im, IMPORT_TAKEN, d, "passwd-file",
	    "its users are in a table of auth_user_maps");
	return 0;
}

static int
take_passdb(struct import *im, struct dovecot *d, unsigned number)
{
	const char *driver = driver_of(d);
	const char *deny = dovecot_value(d, "deny");
	const char *master = dovecot_value(d, "master");

	if ((deny && strcmp(deny, "yes") == 0) ||
	    (master && strcmp(master, "yes") == 0)) {
		import_tell_of(im, IMPORT_DECIDE, d, driver,
		    "there are no tables of those who may not, or of "
		    "master users");
		return 0;
	}
	if (strcmp(driver, "passwd-file") == 0)
		return take_passwd_file(im, d, number);
	if (strcmp(driver, "sql") == 0) {
		char name[64];
		const char *type;

		snprintf(name, sizeof(name),
		    number ? "users-%u.cf" : "users.cf", number);
		type = import_sql(im, d, name);
		if (type) {
			add_maps(im, type, name);
			import_tell_of(im, IMPORT_TAKEN, d, driver,
			    "its query is that of a table of auth_user_maps");
		}
		return 0;
	}
	if (strcmp(driver, "pam") == 0 || strcmp(driver, "shadow") == 0 ||
	    strcmp(driver, "passwd") == 0)
		import_tell_of(im, IMPORT_DECIDE, d, driver,
		    "passwords of system users are not asked for; postuser "
		    "gives them others for mail");
	else
		import_tell_of(im, IMPORT_DECIDE, d, driver,
		    "authd has no such source of users");
	return 0;
}

/* A user's or a group's number; as it stands if it is nobody's here. */
static void
set_id(struct import *im, const char *param, const char *value, bool is_group)
{
	struct privs p;
	struct why why;
	gid_t gid;
	unsigned id;

	if (!value || conf_set_value(im->conf, span_str(param)) ||
	    import_has(im, param))
		return;
	if (*value >= '0' && *value <= '9')
		id = (unsigned)strtoul(value, NULL, 10);
	else if (is_group ? privs_find_group(value, &gid, &why) < 0
			  : privs_find(value, &p, &why) < 0) {
		import_tell(im, IMPORT_DECIDE, "%s: %s", param, why.text);
		return;
	} else
		id = is_group ? gid : p.uid;
	import_param(im, param, "static:%u", id);
	import_tell(im, IMPORT_TAKEN, "%s = static:%u (%s)", param, id, value);
}

static void
take_ids(struct import *im, const char *uid, const char *gid)
{
	set_id(im, "virtual_uid_maps", uid, false);
	set_id(im, "virtual_gid_maps", gid, true);
}

static void
take_userdb(struct import *im, struct dovecot *d)
{
	const char *driver = driver_of(d);
	const char *args = dovecot_value(d, "args");
	const char *uid = dovecot_value(d, "fields_uid");
	const char *gid = dovecot_value(d, "fields_gid");

	if (strcmp(driver, "static") == 0) {
		take_ids(im, uid ? uid : arg_of(im, args, "uid"),
		    gid ? gid : arg_of(im, args, "gid"));
		import_tell_of(im, IMPORT_TAKEN, d, driver,
		    "is in mail_location, virtual_uid_maps, virtual_gid_maps");
	} else if (strcmp(driver, "prefetch") == 0 ||
	    strcmp(driver, "passwd-file") == 0) {
		import_tell_of(im, IMPORT_TAKEN, d, driver,
		    "what is said of a user stands with his password");
	} else if (strcmp(driver, "passwd") == 0) {
		import_tell_of(im, IMPORT_IDLE, d, driver,
		    "local knows the users of the system");
	} else {
		import_tell_of(im, IMPORT_DECIDE, d, driver,
		    "what it says of users (uid, gid, home, mail) has to be "
		    "in the value of auth_user_maps, behind the hash");
	}
}

int
import_users(struct import *im)
{
	unsigned number = 0;
	int err = 0;

	take_ids(im, dovecot_value(&im->top, "mail_uid"),
	    dovecot_value(&im->top, "mail_gid"));
	for (struct dovecot *d = im->top.first; d && !err; d = d->next)
		if (strcmp(d->name, "passdb") == 0)
			err = take_passdb(im, d, number++);
		else if (strcmp(d->name, "userdb") == 0)
			take_userdb(im, d);
	return err;
}
