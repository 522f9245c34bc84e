#include "master/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum whose {
	ROOT,
	OWNER,
	NET,
	LOGIN,
	AUTH,
	DROP,
};

/*
 * incoming: smtpd makes files in it and cannot list it. private, public, login and
 * auth may be passed through: the sockets in them have modes of their own.
 */
static const struct dir {
	const char *name;
	mode_t mode;
	enum whose user;
	enum whose group;
} dirs[] = {
	{ "", 0755, ROOT, ROOT },
	{ "incoming", 0730, OWNER, NET },
	{ "deferred", 0700, OWNER, OWNER },
	{ "hold", 0700, OWNER, OWNER },
	{ "corrupt", 0700, OWNER, OWNER },
	{ "maildrop", 01730, OWNER, DROP },
	{ "private", 0710, OWNER, NET },
	{ "login", 0710, OWNER, LOGIN },
	{ "auth", 0710, OWNER, AUTH },
	{ "public", 0710, OWNER, DROP },
	{ "pid", 0755, ROOT, ROOT },
};

static const struct dir data_dir = { "", 0700, OWNER, OWNER };

int
dirs_user(const struct conf *c, const char *name, struct privs *p_r,
    struct why *why)
{
	const char *user = conf_get(c, name, why);
	struct why inner;
	int err;

	if (!user)
		return -EINVAL;
	err = privs_find(user, p_r, &inner);
	return err ? conf_complain(c, name, -err, inner.text, why) : 0;
}

int
dirs_owners(const struct conf *c, struct dirs_owners *o_r, struct why *why)
{
	const char *drop = conf_get(c, "setgid_group", why);
	struct why inner;
	int err;

	if (!drop)
		return -EINVAL;
	err = privs_find_group(drop, &o_r->drop, &inner);
	if (err)
		return conf_complain(c, "setgid_group", -err, inner.text, why);
	err = dirs_user(c, "mail_owner", &o_r->owner, why);
	if (!err)
		err = dirs_user(c, "net_owner", &o_r->net, why);
	if (!err)
		err = dirs_user(c, "login_owner", &o_r->login, why);
	return err ? err : dirs_user(c, "auth_owner", &o_r->auth, why);
}

static uid_t
uid_of(const struct dirs_owners *o, enum whose w)
{
	if (geteuid() != 0)
		return geteuid();
	return w == OWNER ? o->owner.uid : 0;
}

static gid_t
gid_of(const struct dirs_owners *o, enum whose w)
{
	if (geteuid() != 0)
		return getegid();
	switch (w) {
	case OWNER:
		return o->owner.gid;
	case NET:
		return o->net.gid;
	case LOGIN:
		return o->login.gid;
	case AUTH:
		return o->auth.gid;
	case DROP:
		return o->drop;
	case ROOT:
		break;
	}
	return 0;
}

static int
make_dir(const char *path, const struct dir *d, const struct dirs_owners *o,
    bool repair, struct why *why)
{
	bool made = mkdir(path, 0700) == 0;

	if (!made && errno != EEXIST)
		return why_set(why, errno, NULL, 0, "cannot make %s: %s", path,
		    strerror(errno));
	if (!made && !repair)
		return 0;
	if ((geteuid() == 0 &&
		lchown(path, uid_of(o, d->user), gid_of(o, d->group)) < 0) ||
	    chmod(path, d->mode) < 0)
		return why_set(why, errno, NULL, 0,
		    "cannot set owner and mode of %s: %s", path,
		    strerror(errno));
	return 0;
}

static void
make_path(const char *queue, const struct dir *d, char *path, size_t max)
{
	snprintf(path, max, "%s%s%s", queue, d->name[0] ? "/" : "", d->name);
}

int
dirs_make(const struct conf *c, const struct dirs_owners *o, bool repair,
    struct why *why)
{
	const char *queue = conf_get(c, "queue_directory", why);
	const char *data = conf_get(c, "data_directory", why);
	char path[1024];
	int err = queue && data ? 0 : -EINVAL;

	for (size_t i = 0; i < COUNT_OF(dirs) && !err; i++) {
		make_path(queue, &dirs[i], path, sizeof(path));
		err = make_dir(path, &dirs[i], o, repair, why);
	}
	if (!err)
		err = make_dir(data, &data_dir, o, repair, why);
	return err;
}

static void
check_dir(const char *path, const struct dir *d, const struct dirs_owners *o,
    dirs_fn *fn, void *arg)
{
	uid_t uid = uid_of(o, d->user);
	gid_t gid = gid_of(o, d->group);
	char text[1200];
	struct stat st;

	if (lstat(path, &st) < 0) {
		snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
		fn(text, arg);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(text, sizeof(text), "%s: is no directory", path);
		fn(text, arg);
		return;
	}
	if (st.st_uid != uid || (geteuid() == 0 && st.st_gid != gid)) {
		snprintf(text, sizeof(text),
		    "%s: belongs to %u:%u, should be %u:%u", path,
		    (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)uid,
		    (unsigned)gid);
		fn(text, arg);
	}
	if ((st.st_mode & 07777) != d->mode) {
		snprintf(text, sizeof(text),
		    "%s: has mode %04o, should be %04o", path,
		    (unsigned)(st.st_mode & 07777), (unsigned)d->mode);
		fn(text, arg);
	}
}

void
dirs_check(const struct conf *c, const struct dirs_owners *o, dirs_fn *fn,
    void *arg)
{
	struct why why;
	const char *queue = conf_get(c, "queue_directory", &why);
	const char *data = conf_get(c, "data_directory", &why);
	char path[1024];

	if (!queue || !data) {
		fn(why.text, arg);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		make_path(queue, &dirs[i], path, sizeof(path));
		check_dir(path, &dirs[i], o, fn, arg);
	}
	check_dir(data, &data_dir, o, fn, arg);
}

static const char *const commands[] = { "postdrop", "postqueue" };

static const mode_t command_mode = 02755;

static bool
command_path(const struct conf *c, size_t i, char *path, size_t max)
{
	struct why why;
	const char *dir = conf_get(c, "command_directory", &why);

	snprintf(path, max, "%s/%s", dir ? dir : "", commands[i]);
	return dir && access(path, F_OK) == 0;
}

int
dirs_make_commands(const struct conf *c, const struct dirs_owners *o,
    struct why *why)
{
	char path[1024];

	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (!command_path(c, i, path, sizeof(path)))
			continue;
		if (chown(path, 0, o->drop) < 0 ||
		    chmod(path, command_mode) < 0)
			return why_set(why, errno, NULL, 0, "%s: %s", path,
			    strerror(errno));
	}
	return 0;
}

void
dirs_check_commands(const struct conf *c, dirs_fn *fn, void *arg)
{
	char path[1024], text[1200];
	struct dirs_owners o;
	struct stat st;
	struct why why;

	if (dirs_owners(c, &o, &why) < 0)
		return; /* told as what they are */
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (!command_path(c, i, path, sizeof(path)) ||
		    stat(path, &st) < 0 ||
		    (st.st_gid == o.drop &&
			(st.st_mode & 07777) == command_mode))
			continue;
		snprintf(text, sizeof(text),
		    "%s: has group %u and mode %04o, should be %u and %04o, or "
		    "users can hand in no mail",
		    path, (unsigned)st.st_gid, (unsigned)(st.st_mode & 07777),
		    (unsigned)o.drop, (unsigned)command_mode);
		fn(text, arg);
	}
}

/* Who may be the owner of a file in the queue: whoever takes mail in. */
static bool
may_own(const struct dirs_owners *o, uid_t uid)
{
	return uid == o->owner.uid || uid == o->net.uid;
}

static int
own_files_in(const char *path, const struct dirs_owners *o, gid_t gid,
    struct why *why)
{
	DIR *all = opendir(path);
	const struct dirent *d;
	struct stat st;
	int err = 0;

	if (!all)
		return errno == ENOENT ? 0
				       : why_set(why, errno, NULL, 0, "%s: %s",
					     path, strerror(errno));
	while (!err && (d = readdir(all)))
		if (fstatat(dirfd(all), d->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISREG(st.st_mode) && !may_own(o, st.st_uid) &&
		    fchownat(dirfd(all), d->d_name, o->owner.uid, gid,
			AT_SYMLINK_NOFOLLOW) < 0)
			err = why_set(why, errno, NULL, 0, "%s/%s: %s", path,
			    d->d_name, strerror(errno));
	closedir(all);
	return err;
}

int
dirs_own_files(const struct conf *c, const struct dirs_owners *o,
    struct why *why)
{
	/* In maildrop files are their senders'. */
	static const char *const queues[] = { "incoming", "deferred", "hold",
		"corrupt" };
	const char *queue = conf_get(c, "queue_directory", why);
	const char *data = conf_get(c, "data_directory", why);
	char path[1024];
	int err = queue && data ? 0 : -EINVAL;

	for (size_t i = 0; i < COUNT_OF(queues) && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s", queue, queues[i]);
		err = own_files_in(path, o, o->net.gid, why);
	}
	return err ? err : own_files_in(data, o, o->owner.gid, why);
}
