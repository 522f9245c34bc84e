#include "master/dirs.h"

#include <errno.h>
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
