#include "dict/build.h"

#include "dict/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	TEMP_SIZE = KINDS_PATH_MAX + 32,
	LOCK_TRIES = 100,
};

struct dict_build {
	const struct kind *kind;
	unsigned flags;
	struct pairs pairs;
	bool has_temp;
	int lock; /* the old file, locked; or -1 */
	bool full; /* what was to be changed is too large */
	char path[KINDS_PATH_MAX];
	char temp[TEMP_SIZE];
};

static struct span
type_of(const char *type_and_name, const char **name_r)
{
	const char *colon = strchr(type_and_name, ':');

	*name_r = colon ? colon + 1 : type_and_name;
	return (struct span){ type_and_name,
		colon ? (size_t)(colon - type_and_name) : 0 };
}

bool
dict_can_build(struct span type)
{
	return kinds_find(type) != NULL;
}

static int
fail(const struct dict_build *b, int error, struct why *why)
{
	return why_set(why, error, NULL, 0, "%s: %s", b->path, strerror(error));
}

/* The mode and owner of the old file, or else of the source. */
static int
take_owner(int fd, const struct dict_build *b, const char *source,
    uint32_t mode)
{
	struct stat old;
	bool is_old = stat(b->path, &old) == 0;
	bool has_owner = is_old || stat(source, &old) == 0;

	if (has_owner && geteuid() == 0 &&
	    fchown(fd, old.st_uid, old.st_gid) < 0)
		return errno;
	if (fchmod(fd, is_old ? old.st_mode & 07777 : mode) < 0)
		return errno;
	return 0;
}

/* Nobody has the name yet, and nobody but us can write to what we make. */
static int
make_temp(struct dict_build *b, const char *source, uint32_t mode)
{
	int fd, error;

	unlink(b->temp); /* of one that died, with our number */
	fd = open(b->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return errno;
	b->has_temp = true;
	error = take_owner(fd, b, source, mode);
	close(fd);
	return error;
}

/* Locks the file that has the name, and still has it when we have the lock. */
static int
lock_old(struct dict_build *b)
{
	struct stat ours, now;

	for (int i = 0; i < LOCK_TRIES; i++) {
		b->lock = open(b->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (b->lock < 0)
			return errno == ENOENT ? 0 : errno;
		if (fstat(b->lock, &ours) < 0)
			return errno;
		if (!S_ISREG(ours.st_mode))
			return EINVAL;
		if (flock(b->lock, LOCK_EX) < 0)
			return errno;
		if (stat(b->path, &now) == 0 && ours.st_ino == now.st_ino &&
		    ours.st_dev == now.st_dev)
			return 0;
		close(b->lock);
		b->lock = -1;
	}
	return EBUSY;
}

static void
keep_old(struct span key, struct span value, void *arg)
{
	struct dict_build *b = arg;

	if (pairs_add(&b->pairs, kinds_without_nul(key),
		kinds_without_nul(value), false) == PAIRS_FULL)
		b->full = true;
}

static int
take_old(struct dict_build *b, struct why *why)
{
	int error = b->kind->each(b->path, keep_old, b, why);

	return error ? error : b->full ? fail(b, ENOMEM, why) : 0;
}

struct dict_build *
dict_build_begin(const char *type_and_name, uint32_t mode, unsigned flags,
    struct why *why)
{
	const char *name;
	struct span type = type_of(type_and_name, &name);
	const struct kind *kind = kinds_find(type);
	struct dict_build *b;
	int error;

	if (!kind) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "unsupported dictionary type: %.*s does not support "
		    "bulk-mode creation.",
		    (int)type.n, type.p);
		return NULL;
	}
	b = zalloc(sizeof(*b));
	b->kind = kind;
	b->flags = flags;
	b->lock = -1;
	pairs_init(&b->pairs);
	snprintf(b->path, sizeof(b->path), "%s%s", name, kind->suffix);
	snprintf(b->temp, sizeof(b->temp), "%s.new.%d", b->path, (int)getpid());
	error = lock_old(b);
	if (!error)
		error = make_temp(b, name, mode);
	if (error)
		error = fail(b, error, why);
	else if ((flags & DICT_BUILD_CHANGE) && b->lock >= 0)
		error = take_old(b, why);
	if (error) {
		dict_build_abort(b);
		return NULL;
	}
	return b;
}

const char *
dict_build_file(const struct dict_build *b)
{
	return b->path;
}

static bool
has_nul(const struct dict_build *b)
{
	return b->flags & DICT_BUILD_NUL ||
	    (b->kind->nul && !(b->flags & DICT_BUILD_NO_NUL));
}

enum dict_build_result
dict_build_add(struct dict_build *b, struct span key, struct span value,
    struct why *why)
{
	bool replace = b->flags & DICT_BUILD_REPLACE;
	size_t max = b->kind->key_max - has_nul(b);

	if (b->kind->key_max && (key.n == 0 || key.n > max)) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "%s: a key of %zu bytes; allowed are 1 to %zu", b->path,
		    key.n, max);
		return DICT_BUILD_FAILED;
	}
	switch (pairs_add(&b->pairs, key, value, replace)) {
	case PAIRS_ADDED:
		return DICT_BUILD_ADDED;
	case PAIRS_TWICE:
		return DICT_BUILD_TWICE;
	case PAIRS_FULL:
		break;
	}
	(void)why_set(why, ENOMEM, NULL, 0,
	    "%s: there is no room for more; allowed are %d bytes", b->path,
	    PAIRS_BYTES_MAX);
	return DICT_BUILD_FAILED;
}

bool
dict_build_remove(struct dict_build *b, struct span key)
{
	return pairs_remove(&b->pairs, key);
}

static void
end(struct dict_build *b)
{
	if (b->has_temp)
		unlink(b->temp);
	if (b->lock >= 0)
		close(b->lock);
	pairs_fini(&b->pairs);
	free(b);
}

/* The name is on stable storage when its directory is. */
static int
sync_directory(const char *path)
{
	char dir[KINDS_PATH_MAX];
	char *slash;
	int error = 0;

	memcpy(dir, path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';

	int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (fsync(fd) < 0)
		error = errno;
	close(fd);
	return error;
}

int
dict_build_commit(struct dict_build *b, struct why *why)
{
	int error = b->kind->write(b->temp, &b->pairs, has_nul(b), why);

	if (!error) {
		if (rename(b->temp, b->path) < 0)
			error = errno;
		else
			b->has_temp = false;
		if (!error)
			error = sync_directory(b->path);
		if (error)
			error = fail(b, error, why);
	}
	end(b);
	return error;
}

void
dict_build_abort(struct dict_build *b)
{
	if (b)
		end(b);
}

/* Whom to tell of pairs, without their NULs. */
struct plain {
	dict_each_fn *fn;
	void *arg;
};

static void
tell_plain(struct span key, struct span value, void *arg)
{
	struct plain *p = arg;

	p->fn(kinds_without_nul(key), kinds_without_nul(value), p->arg);
}

int
dict_each(const char *type_and_name, dict_each_fn *fn, void *arg,
    struct why *why)
{
	char path[KINDS_PATH_MAX];
	const char *name;
	struct span type = type_of(type_and_name, &name);
	const struct kind *kind = kinds_find(type);

	if (span_eq(type, SPAN("texthash")))
		return texthash_each(name, fn, arg, why);
	if (!kind)
		return why_set(why, EINVAL, NULL, 0,
		    "table %.200s: sequence operation is not supported",
		    type_and_name);
	snprintf(path, sizeof(path), "%s%s", name, kind->suffix);
	return kind->each(path, tell_plain, &(struct plain){ fn, arg }, why);
}
