#include "service/privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void
fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void
find_self(struct privs *p_r)
{
	*p_r = (struct privs){ .uid = geteuid(), .gid = getegid() };
}

/* The f...() read this file only: no NSS. */
static int
find_user(const char *name, struct privs *p_r)
{
	FILE *f CLEANUP(fclosep) = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (f && (pw = fgetpwent(f)))
		if (strcmp(pw->pw_name, name) == 0) {
			*p_r = (struct privs){
				.uid = pw->pw_uid,
				.gid = pw->pw_gid,
			};
			return 0;
		}
	return -ENOENT;
}

static bool
has_member(const struct group *gr, const char *name)
{
	for (char **m = gr->gr_mem; *m; m++)
		if (strcmp(*m, name) == 0)
			return true;
	return false;
}

static void
find_groups(const char *name, struct privs *p)
{
	FILE *f CLEANUP(fclosep) = fopen("/etc/group", "re");
	const struct group *gr;

	p->groups[p->groups_n++] = p->gid;
	while (f && p->groups_n < PRIVS_GROUPS_MAX && (gr = fgetgrent(f)))
		if (gr->gr_gid != p->gid && has_member(gr, name))
			p->groups[p->groups_n++] = gr->gr_gid;
}

int
privs_find(const char *name, struct privs *p_r, struct why *why)
{
	if (geteuid() != 0) {
		find_self(p_r);
		return 0;
	}
	if (find_user(name, p_r) < 0)
		return why_set(why, ENOENT, NULL, 0,
		    "there is no user %s in /etc/passwd", name);
	find_groups(name, p_r);
	return 0;
}

int
privs_find_group(const char *name, gid_t *gid_r, struct why *why)
{
	FILE *f CLEANUP(fclosep) = NULL;
	const struct group *gr;

	if (geteuid() != 0) {
		*gid_r = getegid();
		return 0;
	}
	f = fopen("/etc/group", "re");
	while (f && (gr = fgetgrent(f)))
		if (strcmp(gr->gr_name, name) == 0) {
			*gid_r = gr->gr_gid;
			return 0;
		}
	return why_set(why, ENOENT, NULL, 0,
	    "there is no group %s in /etc/group", name);
}

static bool
is_now(const struct privs *p)
{
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 ||
	    getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (uid[i] != p->uid || gid[i] != p->gid)
			return false;
	return p->uid == 0 || (setuid(0) < 0 && setreuid((uid_t)-1, 0) < 0);
}

int
privs_drop(const struct privs *p, struct why *why)
{
	if (geteuid() == 0) {
		if (setgroups(p->groups_n, p->groups) < 0 ||
		    setresgid(p->gid, p->gid, p->gid) < 0 ||
		    setresuid(p->uid, p->uid, p->uid) < 0)
			return why_set(why, errno, NULL, 0,
			    "cannot become uid %u, gid %u: %s",
			    (unsigned)p->uid, (unsigned)p->gid,
			    strerror(errno));
		if (!is_now(p))
			return why_set(why, EPERM, NULL, 0,
			    "became uid %u, gid %u, and not for good",
			    (unsigned)p->uid, (unsigned)p->gid);
	}
	must(prctl(PR_SET_DUMPABLE, 0) == 0);
	return 0;
}

void
privs_no_more(void)
{
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}
