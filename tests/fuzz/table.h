/*
 * table.h - a table whose source are the bytes of a fuzzer: a file, or if they
 * begin with a brace, the name itself.
 */
#ifndef FUZZ_TABLE_H
#define FUZZ_TABLE_H

#include "tests/fuzz/file.h"

#include "dict/dict.h"

enum {
	FUZZ_TABLE_MAX = 3800,
};

static inline void
fuzz_ask(struct dict *d, struct span key)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span value;
	struct why why;

	(void)!dict_get(d, key, a, &value, &why);
}

static inline void
fuzz_table(const char *type, const uint8_t *data, size_t n)
{
	static int fd = -1;
	static char name[FUZZ_TABLE_MAX + 64];
	struct why why;
	struct dict *d;

	if (n > FUZZ_TABLE_MAX)
		return;
	if (fd < 0)
		fd = memfd_create("table", MFD_CLOEXEC);
	fuzz_write(fd, data, n);
	if (n > 0 && data[0] == '{')
		snprintf(name, sizeof(name), "%s:%.*s", type, (int)n,
		    (const char *)data);
	else
		snprintf(name, sizeof(name), "%s:/proc/self/fd/%d", type, fd);
	d = dict_open(name, 0, &why);
	if (d) {
		fuzz_ask(d, SPAN("192.0.2.1"));
		fuzz_ask(d, SPAN("2001:db8::1"));
		fuzz_ask(d, SPAN("user+ext@example.com"));
		fuzz_ask(d, (struct span){ (const char *)data, n });
	}
	dict_close(d);
}

#endif
