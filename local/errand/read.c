/* Reads a .forward, or an :include: file, of whoever may have written it. */
#include "local/errand/errand.h"

#include "base/log.h"
#include "dict/dict.h"
#include "mail/aliases.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void
freep(char **p)
{
	free(*p);
}

/* What is wrong with it, or NULL. */
static const char *
find_fault(const struct stat *st, uint64_t flags)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if ((flags & ERRAND_OWN) && st->st_uid != geteuid())
		return "not owned by the user";
	if ((flags & ERRAND_OWN) && (st->st_mode & (S_IWGRP | S_IWOTH)))
		return "group or world writable";
	if (st->st_mode & S_IWOTH)
		return "world writable";
	if (st->st_size > ERRAND_FILE_MAX)
		return "too large";
	return NULL;
}

static ssize_t
read_all(int fd, char *to, size_t max)
{
	size_t have = 0;
	ssize_t n = 1;

	while (have < max && n > 0) {
		n = read(fd, to + have, max - have);
		if (n > 0)
			have += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	return n < 0 ? -errno : (ssize_t)have;
}

/* False: there are more than we take. */
static bool
put_items(struct span text, struct buf *out)
{
	struct span item;
	size_t n = 0;

	while (aliases_cut_lines(&text, &item)) {
		if (++n > ERRAND_ITEMS_MAX || item.n > ALIASES_ITEM_MAX)
			return false;
		msg_put_str(out, MSG_FIELD_VALUE, item);
	}
	return out->n < out->max - 2048 && !out->overflow;
}

/* Whether it will be the same the next time. */
static bool
is_lasting(int err)
{
	static const int lasting[] = { ENOENT, ENOTDIR, EACCES, EPERM, ELOOP,
		EISDIR, ENXIO, ENODEV, ENAMETOOLONG, E2BIG };

	for (size_t i = 0; i < COUNT_OF(lasting); i++)
		if (lasting[i] == err)
			return true;
	return false;
}

/*
 * A file that is not there says nothing; one that cannot be had says why. Mail
 * waits for all else: a copy would be lost, or come where it should not.
 */
static enum dict_result
refuse(const char *path, const char *what, int err)
{
	if (!is_lasting(err)) {
		log_warning("cannot read %s now: %s", path, what);
		return DICT_TEMPFAIL;
	}
	if (err != ENOENT && err != ENOTDIR)
		log_warning("ignoring the file %s: %s", path, what);
	return DICT_ABSENT;
}

static enum dict_result
read_one(const struct errand *e, const char *path, struct buf *out)
{
	uint64_t flags = msg_u64(&e->in, MSG_FIELD_FLAGS);
	int fd CLEANUP(closep) = -1;
	char *text CLEANUP(freep) = NULL;
	const char *fault;
	struct stat st;
	ssize_t n;

	fd = open(path,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return refuse(path, strerror(errno), errno);
	fault = find_fault(&st, flags);
	if (fault)
		return refuse(path, fault, EPERM);
	text = zalloc(ERRAND_FILE_MAX);
	n = read_all(fd, text, ERRAND_FILE_MAX);
	if (n < 0)
		return refuse(path, strerror((int)-n), (int)-n);
	if (memchr(text, '\0', (size_t)n))
		return refuse(path, "not a text file", EPERM);
	if (!put_items((struct span){ text, (size_t)n }, out))
		return refuse(path, "too many addresses", E2BIG);
	return DICT_FOUND;
}

void
errand_read(const struct errand *e, struct errand_result *r, struct buf *out)
{
	struct span rest = e->in.fields, path;

	r->status = DICT_ABSENT;
	while (r->status == DICT_ABSENT &&
	    msg_next(&rest, MSG_FIELD_FORWARD, &path)) {
		const char *name = arena_dup(e->arena, path);

		r->status = name ? read_one(e, name, out) : DICT_TEMPFAIL;
	}
}
