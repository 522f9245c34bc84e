/*
 * Expansion: each of the text's lines is the value of a letter, a first.
 */
#include "conf/expand.h"

#include <stdlib.h>

enum {
	OUT_MAX = 4096,
	LINES_MAX = 26,
};

struct lines {
	char *line[LINES_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *
look_up(void *arg, struct span name)
{
	const struct lines *l = arg;

	return name.n == 1 && *name.p >= 'a' && *name.p <= 'z'
	    ? l->line[*name.p - 'a']
	    : NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char storage[OUT_MAX];
	struct span rest = { (const char *)data, n };
	struct lines l = { 0 };
	struct buf out;
	struct why why;

	for (size_t i = 0; i < LINES_MAX && rest.n > 0; i++) {
		struct span line = span_cut(&rest, '\n');

		l.line[i] = zalloc(line.n + 1);
		if (line.n)
			memcpy(l.line[i], line.p, line.n);
	}
	buf_init(&out, storage, sizeof(storage));
	(void)!expand(SPAN("${a}"), SPAN("x"), look_up, &l, &out, &why);
	for (size_t i = 0; i < LINES_MAX; i++)
		free(l.line[i]);
	return 0;
}
