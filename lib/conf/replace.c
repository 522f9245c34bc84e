#include "conf/replace.h"

#include "conf/lines.h"
#include "conf/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	REPLACE_TRIES = 100, /* at a file that others replace */
};

static int
fail(const char *path, int error, struct why *why)
{
	return why_set(why, error, path, 0, "%s", strerror(error));
}

/* The new file, locked, and still the one that has this name. */
static int
open_locked(const char *temp, int *fd_r, struct why *why)
{
	for (int i = 0; i < REPLACE_TRIES; i++) {
		int fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0600);
		struct stat ours;
		struct stat named;

		if (fd < 0)
			return fail(temp, errno, why);
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &ours) == 0 &&
		    stat(temp, &named) == 0 && ours.st_ino == named.st_ino) {
			*fd_r = fd;
			return 0;
		}
		close(fd);
	}
	return fail(temp, EBUSY, why);
}

/* With the owner and mode of the old file, on stable storage. */
static int
finish(FILE *out, const char *path, const char *temp, struct why *why)
{
	struct stat st;
	int error = 0;

	if (stat(path, &st) < 0)
		error = errno;
	if (!error && geteuid() == 0 &&
	    fchown(fileno(out), st.st_uid, st.st_gid) < 0)
		error = errno;
	if (!error && fchmod(fileno(out), st.st_mode & 07777) < 0)
		error = errno;
	/* What was refused before the last byte is remembered, without a reason. */
	if (!error && (fflush(out) != 0 || fsync(fileno(out)) < 0))
		error = errno;
	if (!error && ferror(out))
		error = EIO;
	if (!error && rename(temp, path) < 0)
		error = errno;
	return error ? fail(path, error, why) : 0;
}

/* The name itself is on stable storage when its directory is. */
static void
sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int
rewrite(FILE *out, const char *path, const char *temp, replace_fn *fn,
    void *arg, struct why *why)
{
	struct lines lines;
	char *text = NULL;
	int error = lines_read(path, &lines, &text, why);

	if (!error)
		error = fn(out, (struct span){ text, lines.n }, arg, why);
	if (!error)
		error = finish(out, path, temp, why);
	free(text);
	return error;
}

int
conf_replace(const char *dir, const char *name, replace_fn *fn, void *arg,
    struct why *why)
{
	char path[CONF_PATH_MAX];
	char temp[CONF_PATH_MAX];
	FILE *out;
	int fd = -1;
	int error;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (access(path, F_OK) < 0)
		return why_set(why, errno, NULL, 0, "open %s for reading: %s",
		    path, strerror(errno));
	snprintf(temp, sizeof(temp), "%s/%s.tmp", dir, name);
	error = open_locked(temp, &fd, why);
	if (error)
		return error;
	out = fdopen(fd, "w");
	if (!out || ftruncate(fd, 0) < 0)
		error = fail(temp, errno, why);
	if (!error)
		error = rewrite(out, path, temp, fn, arg, why);
	if (error)
		unlink(temp);
	else
		sync_directory(dir);
	if (out)
		fclose(out);
	else
		close(fd);
	return error;
}
