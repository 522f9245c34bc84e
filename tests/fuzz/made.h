/*
 * made.h - a table as postmap makes them, whose file are the bytes of a fuzzer.
 */
#ifndef FUZZ_MADE_H
#define FUZZ_MADE_H

#include "tests/fuzz/table.h"

#include "dict/build.h"

enum {
	FUZZ_MADE_MAX = 1 << 16,
};

static inline void
fuzz_forget(struct span key, struct span value, void *arg)
{
	size_t *n = arg;

	*n += key.n + value.n;
}

static inline void
fuzz_made(const char *type, const char *suffix, const uint8_t *data, size_t n)
{
	char dir[] = "/tmp/fuzz-made-XXXXXX", path[64], table[80];
	struct why why;
	struct dict *d;
	size_t told = 0;
	int fd;

	if (n > FUZZ_MADE_MAX)
		return;
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/t%s", dir, suffix);
	snprintf(table, sizeof(table), "%s:%s/t", type, dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fuzz_write(fd, data, n);
	close(fd);
	d = dict_open(table, 0, &why);
	if (d) {
		fuzz_ask(d, SPAN("foo"));
		fuzz_ask(d, SPAN("user+ext@example.com"));
	}
	dict_close(d);
	(void)!dict_each(table, fuzz_forget, &told, &why);
	unlink(path);
	rmdir(dir);
}

#endif
