/*
 * conf.h - directories with a main.cf and files of a test's own.
 */
#ifndef TESTS_CONF_H
#define TESTS_CONF_H

#include "tests/unit/test.h"

#include <sys/stat.h>

/* A new directory; good until the next call. */
static inline const char *
temp_dir(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/postrider-test-XXXXXX");
	if (!mkdtemp(path))
		abort();
	return path;
}

/* Writes a file in it, and returns its path, good until the next call. */
static inline const char *
temp_file(const char *dir, const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	return path;
}

static inline void
temp_remove(const char *dir, const char *const *names)
{
	char path[256];

	for (; *names; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		unlink(path);
	}
	rmdir(dir);
}

#endif
