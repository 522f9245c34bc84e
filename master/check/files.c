/* Whose files are, and who may change or read them. */
#include "master/check/check.h"

#include "dict/dict.h"
#include "master/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PATH_SIZE = 1536,
};

/* Who can change the configuration can become anybody. */
static void
check_trust(struct checkup *k, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		check_say(k, CHECK_WARNING, "%s: %s", path, strerror(errno));
		return;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		check_say(k, CHECK_WARNING,
		    "%s: belongs to user %u: who can change it decides what "
		    "runs as root; chown root",
		    path, (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		check_say(k, CHECK_WARNING,
		    "%s: has mode %04o: others may change it; chmod go-w", path,
		    (unsigned)(st.st_mode & 07777));
}

static void
check_configuration(struct checkup *k)
{
	const char *dir = conf_dir(k->conf);
	const struct dirent *d;
	char path[PATH_SIZE];
	DIR *all = opendir(dir);

	check_trust(k, dir);
	while (all && (d = readdir(all))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		check_trust(k, path);
	}
	if (all)
		closedir(all);
}

static void
report_dir(const char *text, void *arg)
{
	check_say(arg, CHECK_ERROR, "%s; postrider set-permissions repairs it",
	    text);
}

static void
check_dirs(struct checkup *k)
{
	const char *queue = k->instance->params.queue_directory;
	struct dirs_owners owners;
	struct stat st;
	struct why why;

	if (lstat(queue, &st) < 0)
		check_say(k, CHECK_NOTE, "%s is made at the first start",
		    queue);
	else if (dirs_owners(k->conf, &owners, &why) == 0)
		dirs_check(k->conf, &owners, report_dir, k);
}

static void
report_command(const char *text, void *arg)
{
	check_say(arg, CHECK_WARNING,
	    "%s; postrider set-permissions repairs it", text);
}

/* Each file is told of once, whatever names it. */
struct secret {
	struct checkup *k;
	const struct check_value *v;
	const char *owner; /* the parameter with who reads it again; or NULL */
};

static bool
can_read(const struct privs *p, const struct stat *st)
{
	if (p->uid == 0 || (st->st_mode & S_IROTH))
		return true;
	if (st->st_uid == p->uid)
		return st->st_mode & S_IRUSR;
	if (!(st->st_mode & S_IRGRP))
		return false;
	if (st->st_gid == p->gid)
		return true;
	for (size_t i = 0; i < p->groups_n; i++)
		if (p->groups[i] == st->st_gid)
			return true;
	return false;
}

/*
 * Tables are opened again when they change, by who the daemon is then: what root
 * could read at the start has to be readable for that one, and for no stranger.
 */
static void
check_secret(const char *path, void *arg)
{
	const struct secret *s = arg;
	struct privs p;
	struct stat st;
	struct why why;

	if (stat(path, &st) < 0)
		return; /* told where tables are */
	if (st.st_mode & S_IROTH)
		check_tell(s->k, CHECK_WARNING, s->v,
		    "%s has passwords, and everybody may read it (mode %04o); "
		    "chmod o-r",
		    path, (unsigned)(st.st_mode & 07777));
	if (s->owner && dirs_user(s->k->conf, s->owner, &p, &why) == 0 &&
	    !can_read(&p, &st))
		check_tell(s->k, CHECK_WARNING, s->v,
		    "%s cannot be read by %s (mode %04o, group %u), who opens "
		    "it again on a reload; chgrp to a group of that user, "
		    "chmod 640",
		    path, s->owner, (unsigned)(st.st_mode & 07777),
		    (unsigned)st.st_gid);
}

/* The files of a table, made or not. */
static void
each_file(const char *table, void (*fn)(const char *path, void *arg), void *arg)
{
	const char *colon = strchr(table, ':');
	char made[PATH_SIZE];

	if (!colon || colon[1] != '/')
		return;
	if (dict_made_file(table, made, sizeof(made)))
		fn(made, arg);
	if (access(colon + 1, F_OK) == 0)
		fn(colon + 1, arg);
}

static void
check_secrets(struct checkup *k, const struct check_value *v)
{
	bool is_auth = strcmp(v->name, "auth_user_maps") == 0;
	bool is_secret = is_auth || check_ends(v->name, "_password_maps");
	struct secret s = { .k = k, .v = v };
	struct span rest = span_str(v->text), element;
	char table[PATH_SIZE];

	while (conf_list_next(&rest, &element)) {
		while (element.n > 6 && memcmp(element.p, "proxy:", 6) == 0)
			element = (struct span){ element.p + 6, element.n - 6 };
		snprintf(table, sizeof(table), "%.*s", (int)element.n,
		    element.p);
		s.owner = is_auth                ? "auth_owner"
		    : dict_names_remote(element) ? "mail_owner"
						 : NULL;
		if (is_secret || dict_names_remote(element))
			each_file(table, check_secret, &s);
	}
}

void
check_files(struct checkup *k)
{
	check_configuration(k);
	if (k->errors == 0) /* users that are not there are no owners */
		check_dirs(k);
	if (geteuid() == 0)
		dirs_check_commands(k->conf, report_command, k);
	check_each_value(k, check_secrets);
}
