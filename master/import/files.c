/* Files of ours: those that are copies, and those that are made. */
#include "master/import/import.h"

#include "master/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COPY_DEPTH_MAX = 4, /* folders in folders */
};

/* Of a user of ours, if there is one; root's else. */
static gid_t
group_of(const struct import *im, const char *reader)
{
	struct conf *ours = conf_new(im->to);
	struct privs p = { 0 };
	struct why why;
	gid_t gid = dirs_user(ours, reader, &p, &why) == 0 ? p.gid : 0;

	conf_free(ours);
	return gid;
}

static void
make_path(const struct import *im, const char *name, const char *end,
    char path_r[IMPORT_PATH_MAX])
{
	snprintf(path_r, IMPORT_PATH_MAX, "%s/%s%s", im->to, name, end);
}

FILE *
import_open(struct import *im, const char *name, const char *reader)
{
	char path[IMPORT_PATH_MAX];
	FILE *f;
	int fd;

	make_path(im, name, ".new", path);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f || fchmod(fd, reader ? 0640 : 0644) < 0 ||
	    (reader && geteuid() == 0 &&
		fchown(fd, 0, group_of(im, reader)) < 0)) {
		(void)why_set(im->why, errno, NULL, 0, "%s: %s", path,
		    strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	return f;
}

int
import_close(struct import *im, FILE *f, const char *name)
{
	char path[IMPORT_PATH_MAX], temp[IMPORT_PATH_MAX];
	int err = fflush(f) != 0 || fsync(fileno(f)) < 0 ? errno : 0;

	make_path(im, name, "", path);
	make_path(im, name, ".new", temp);
	fclose(f);
	if (!err && rename(temp, path) < 0)
		err = errno;
	return err
	    ? why_set(im->why, err, NULL, 0, "%s: %s", path, strerror(err))
	    : 0;
}

/* What is Postfix's own, and says nothing to ours. */
static bool
is_skipped(const char *name)
{
	static const char *const names[] = { "main.cf", "master.cf",
		"main.cf.proto", "master.cf.proto", "dynamicmaps.cf",
		"dynamicmaps.cf.d", "postfix-files", "postfix-files.d",
		"postfix-script", "post-install", "makedefs.out" };

	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int
copy_bytes(int in, int out)
{
	ssize_t n;

	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0);
	return n < 0 ? -errno : 0;
}

/*
 * A table of root's and of the group postfix is one of root's and of our group:
 * whoever looked up in it there does so here.
 */
static int
set_owner(const struct import *im, int fd, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };

	if (geteuid() == 0 &&
	    fchown(fd, st->st_uid,
		st->st_gid != 0 && !(st->st_mode & S_IROTH)
		    ? group_of(im, "mail_owner")
		    : st->st_gid) < 0)
		return -errno;
	if (fchmod(fd, st->st_mode & 0777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int
copy_file(struct import *im, const char *source, const char *target)
{
	int in = open(source, O_RDONLY | O_CLOEXEC);
	int out = in < 0 ? -1
			 : open(target,
			       O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
				   (im->force ? O_TRUNC : O_EXCL),
			       0600);
	int err = out < 0 ? -errno : copy_bytes(in, out);
	struct stat st;

	if (!err)
		err = fstat(in, &st) < 0 ? -errno : set_owner(im, out, &st);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return err ? why_set(im->why, -err, NULL, 0, "%s to %s: %s", source,
			 target, strerror(-err))
		   : 0;
}

static int copy_folder(struct import *im, const char *below, unsigned depth);

static int
copy_entry(struct import *im, const char *below, const char *name,
    unsigned depth)
{
	char rest[IMPORT_PATH_MAX / 2];
	char source[IMPORT_PATH_MAX], target[IMPORT_PATH_MAX];
	struct stat st;

	snprintf(rest, sizeof(rest), "%s/%s", below, name);
	snprintf(source, sizeof(source), "%s%s", im->from, rest);
	snprintf(target, sizeof(target), "%s%s", im->to, rest);
	if (stat(source, &st) < 0) {
		import_tell(im, IMPORT_DECIDE, "%s: cannot be read: %s", source,
		    strerror(errno));
		return 0;
	}
	if (S_ISDIR(st.st_mode) && depth < COPY_DEPTH_MAX &&
	    strcmp(source, im->to) != 0) {
		if (mkdir(target, st.st_mode & 0777) < 0 && errno != EEXIST)
			return why_set(im->why, errno, NULL, 0, "%s: %s",
			    target, strerror(errno));
		return copy_folder(im, rest, depth + 1);
	}
	if (!S_ISREG(st.st_mode)) {
		import_tell(im, IMPORT_IDLE, "%s: is no file, and not copied",
		    source);
		return 0;
	}
	import_tell(im, IMPORT_TAKEN, "%s: copied", rest + 1);
	return copy_file(im, source, target);
}

static int
copy_folder(struct import *im, const char *below, unsigned depth)
{
	char path[IMPORT_PATH_MAX];
	struct dirent **all;
	int err = 0, n;

	snprintf(path, sizeof(path), "%s%s", im->from, below);
	n = scandir(path, &all, NULL, alphasort);
	if (n < 0)
		return why_set(im->why, errno, NULL, 0, "%s: %s", path,
		    strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!err &&
		    (depth > 0 ? all[i]->d_name[0] != '.'
			       : !is_skipped(all[i]->d_name)))
			err = copy_entry(im, below, all[i]->d_name, depth);
		free(all[i]);
	}
	free(all);
	return err;
}

int
import_copy(struct import *im)
{
	return copy_folder(im, "", 0);
}

/* Whether Postfix's directory has such a file, as it is or as a table is made. */
static bool
is_in_source(const struct import *im, struct span rest)
{
	static const char *const ends[] = { "", ".db", ".lmdb", ".cdb",
		".dir" };
	char path[IMPORT_PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		snprintf(path, sizeof(path), "%s%.*s%s", im->from, (int)rest.n,
		    rest.p, ends[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static bool
ends_path(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' ||
	    c == '}' || c == '"' || c == ';';
}

/* Takes a path below `dir` off the front; `rest_r` is what stands behind that. */
static bool
take_path(const struct import *im, struct span *text, const char *dir,
    struct span *rest_r)
{
	size_t n = strlen(dir), end = n;

	if (text->n <= n || memcmp(text->p, dir, n) != 0 || text->p[n] != '/')
		return false;
	while (end < text->n && !ends_path(text->p[end]))
		end++;
	*rest_r = (struct span){ text->p + n, end - n };
	if (!is_in_source(im, *rest_r))
		return false;
	*text = (struct span){ text->p + end, text->n - end };
	return true;
}

/* A path begins where no name goes on. */
void
import_put_paths(const struct import *im, struct span text, FILE *out)
{
	char before = ' ';

	while (text.n > 0) {
		struct span rest;

		if (*text.p == '/' && strchr(" \t:,{=<", before) &&
		    (take_path(im, &text, im->from, &rest) ||
			take_path(im, &text, "/etc/postfix", &rest))) {
			fprintf(out, "%s%.*s", im->to, (int)rest.n, rest.p);
			before = 'x';
			continue;
		}
		before = *text.p;
		fputc(before, out);
		text = (struct span){ text.p + 1, text.n - 1 };
	}
}
