/*
 * spool.h - a folder of its own for a test, and files in it.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char spool_dir[64];

static inline int
spool_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
spool_remove(const char *path)
{
	nftw(path, spool_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *
spool_path(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%.63s/%.180s", spool_dir, name);
	return p;
}

static inline int
spool_setup(void **state)
{
	static const char *const names[] = { "incoming", "deferred", "hold",
		"corrupt", "mail" };

	(void)state;
	snprintf(spool_dir, sizeof(spool_dir), "/tmp/postrider-test-XXXXXX");
	if (!mkdtemp(spool_dir))
		return -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mkdir(spool_path(names[i]), 0700) < 0)
			return -1;
	return 0;
}

static inline int
spool_teardown(void **state)
{
	(void)state;
	spool_remove(spool_dir);
	return 0;
}

/* What is in a file; good until the next call. */
static inline struct span
spool_read(const char *path)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	if (fd >= 0)
		close(fd);
	assert_true(n >= 0);
	return (struct span){ bytes, n < 0 ? 0 : (size_t)n };
}

static inline void
spool_write(const char *path, struct span s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0660);

	assert_true(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	close(fd);
}

#define SPOOL_TEST(name) \
	cmocka_unit_test_setup_teardown(name, spool_setup, spool_teardown)

#endif
