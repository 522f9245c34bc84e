#include "queue/folder.h"

#include "base/clock.h"
#include "base/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* One that is there already stays: it is another message of the same ID. */
static int
rename_to(int from, const char *old, int to, const char *new)
{
	if (from == to && strcmp(old, new) == 0)
		return 0;
	if (renameat2(from, old, to, new, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system that cannot: qmgr alone makes names here. */
	if (faccessat(to, new, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(from, old, to, new) < 0 ? -errno : 0;
}

int
queue_move(struct queue *q, enum queue_place from, const char *name,
    enum queue_place to, int64_t due_seconds, struct queue_name *name_r)
{
	struct queue_name new = { 0 };
	struct queue_id id;

	must(to != QUEUE_INCOMING);
	if (!queue_name_id(name, &id))
		return -EINVAL;
	if (to == QUEUE_DEFERRED)
		snprintf(new.text, sizeof(new.text), "%s-%" PRId64, id.text,
		    due_seconds > 0 ? due_seconds : 0);
	else
		snprintf(new.text, sizeof(new.text), "%s", id.text);

	int err = rename_to(q->fds[from], name, q->fds[to], new.text);
	if (err)
		return err;
	folder_changed(q, from);
	folder_changed(q, to);
	*name_r = new;
	return 0;
}

int
queue_remove(struct queue *q, enum queue_place place, const char *name)
{
	if (unlinkat(q->fds[place], name, 0) < 0)
		return -errno;
	folder_changed(q, place);
	return 0;
}

/* The file's own descriptor for a folder has its own place in it. */
static int
open_listing(struct queue *q, enum queue_place place, DIR **dir_r)
{
	int fd = openat(q->fds[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*dir_r = fdopendir(fd);
	if (*dir_r)
		return 0;
	int err = -errno;
	close(fd);
	return err;
}

static void
closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* In deferred/ the name says when: "ID-SECONDS". */
static int64_t
due_of(const char *name)
{
	const char *at = strrchr(name, '-');
	struct span digits = { at ? at + 1 : "", at ? strlen(at + 1) : 0 };
	uint64_t due;

	if (!take_number(&digits, INT64_MAX, &due) || digits.n)
		return 0;
	return (int64_t)due;
}

static bool
is_old(int dir, const char *name)
{
	int64_t limit = clock_wall() / 1000000 - FOLDER_STALE_SECONDS;
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_mtim.tv_sec <= limit;
}

/*
 * Whether a file of incoming/ will never be mail: begun, left long ago, and
 * nobody holds the lock that its writer has to the end. With the lock held here
 * it stays so: whoever could commit it is gone.
 */
static bool
is_left_over(struct queue *q, const char *name, int fd)
{
	struct arena *a CLEANUP(arena_freep) = NULL;
	struct queue_message m;

	if (!is_old(q->fds[QUEUE_INCOMING], name) ||
	    flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	a = arena_new(QUEUE_ENVELOPE_MAX);
	return queue_read(fd, a, &m) == -ENODATA;
}

/* Returns whether there was something to remove. */
static bool
remove_left_over(struct queue *q, const char *name)
{
	int fd CLEANUP(folder_closep) = -1;

	if (!is_old(q->fds[QUEUE_INCOMING], name))
		return false;
	fd = queue_file(q, QUEUE_INCOMING, name);
	if (fd < 0 || !is_left_over(q, name, fd))
		return false;
	return unlinkat(q->fds[QUEUE_INCOMING], name, 0) == 0;
}

/* False: `fn` wants no more. */
static bool
scan_one(struct queue *q, enum queue_place place, const char *name,
    queue_scan_fn *fn, void *arg)
{
	struct queue_id id;
	bool named = queue_name_id(name, &id);

	/* "." and "..", or the name a file has before it has an ID. */
	if (!named &&
	    (name[0] != '.' || strlen(name) != FOLDER_RANDOM_TEXT + 1))
		return true;
	if (place == QUEUE_INCOMING && remove_left_over(q, name))
		return true;
	return !named ||
	    fn(name, place == QUEUE_DEFERRED ? due_of(name) : 0, arg);
}

int
queue_scan(struct queue *q, enum queue_place place, queue_scan_fn *fn,
    void *arg)
{
	DIR *dir CLEANUP(closedirp) = NULL;
	int err = open_listing(q, place, &dir);

	if (err)
		return err;
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (!e)
			return -errno;
		if (!scan_one(q, place, e->d_name, fn, arg))
			return 0;
	}
}

/* What queue_find() looks for. */
struct search {
	const char *id;
	struct queue_name *name_r;
	bool found;
};

static bool
is_sought(const char *name, int64_t due, void *arg)
{
	struct search *s = arg;
	struct queue_id id;

	(void)due;
	if (!queue_name_id(name, &id) || strcmp(id.text, s->id) != 0)
		return true;
	snprintf(s->name_r->text, sizeof(s->name_r->text), "%s", name);
	s->found = true;
	return false;
}

int
queue_find(struct queue *q, const char *id, enum queue_place *place_r,
    struct queue_name *name_r)
{
	struct search s = { .id = id, .name_r = name_r };

	for (enum queue_place i = 0; i < QUEUE_PLACES; i++) {
		int err = queue_scan(q, i, is_sought, &s);

		if (err)
			return err;
		if (s.found) {
			*place_r = i;
			return 0;
		}
	}
	return -ENOENT;
}
