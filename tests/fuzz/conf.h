/*
 * conf.h - a configuration directory for a fuzzer to write into.
 */
#ifndef FUZZ_CONF_H
#define FUZZ_CONF_H

#include "tests/fuzz/file.h"

/* Made when first written to, and removed at the end. */
static char fuzz_path[64];

static inline void
fuzz_remove(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/main.cf", fuzz_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/master.cf", fuzz_path);
	unlink(path);
	rmdir(fuzz_path);
}

static inline void
fuzz_conf(const char *name, const uint8_t *data, size_t n)
{
	char path[80];

	if (!*fuzz_path) {
		snprintf(fuzz_path, sizeof(fuzz_path), "/tmp/fuzz-XXXXXX");
		if (!mkdtemp(fuzz_path) || atexit(fuzz_remove) != 0)
			abort();
	}
	snprintf(path, sizeof(path), "%s/%s", fuzz_path, name);

	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	fuzz_write(fd, data, n);
	close(fd);
}

#endif
