/*
 * Any field: where nothing is changed it stays byte by byte; and each address
 * that is offered is a part of it, in order.
 */
#include "mail/field_addrs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct span in;
	const char *last;
	size_t n;
};

static bool
look(struct span addr, struct buf *out, void *arg)
{
	struct seen *s = arg;

	(void)out;
	must(addr.n > 0 && addr.p >= s->last);
	must(addr.p + addr.n <= s->in.p + s->in.n);
	s->last = addr.p + addr.n;
	s->n++;
	return false;
}

static bool
replace(struct span addr, struct buf *out, void *arg)
{
	size_t *n = arg;

	(void)addr;
	buf_put(out, SPAN("x"));
	(*n)++;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct seen s = { .in = in, .last = in.p };
	char *text = malloc(size + 1);
	size_t n = 0;
	struct buf out;

	must(text);
	buf_init(&out, text, size + 1);
	must(field_addrs(in, look, &s, &out));
	must(span_eq(buf_span(&out), in));
	/* Each is at least a byte long: it cannot grow. */
	buf_init(&out, text, size + 1);
	must(field_addrs(in, replace, &n, &out));
	must(n == s.n);
	free(text);
	return 0;
}
