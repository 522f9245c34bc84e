/*
 * Converts a message, whole and byte by byte: the same comes of it, and reading it
 * again finds nothing that says it is 8bit.
 */
#include "mail/downgrade.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	TEXT_MAX = 1 << 16,
};

static size_t
convert(struct span in, size_t piece, const struct downgrade_plan *plan,
    struct buf *out)
{
	struct downgrade d = { .plan = plan };
	char room[DOWNGRADE_ROOM];
	struct buf b;

	out->n = 0;
	while (in.n > 0) {
		struct span s = { in.p, piece < in.n ? piece : in.n };
		size_t before = s.n;

		buf_init(&b, room, sizeof(room));
		downgrade_feed(&d, &s, &b);
		must(!b.overflow && (b.n > 0 || s.n < before));
		buf_put(out, buf_span(&b));
		in.p += before - s.n;
		in.n -= before - s.n;
	}
	buf_init(&b, room, sizeof(room));
	downgrade_end(&d, &b);
	buf_put(out, buf_span(&b));
	must(!b.overflow && !out->overflow);
	return out->n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct span in = { (const char *)data, n };
	struct downgrade_plan plan;
	struct buf one, other;
	char *bytes;

	if (n > TEXT_MAX)
		return 0;
	mime_feed(m, in);
	if (downgrade_plan(mime_end(m), a, &plan) != DOWNGRADE_PLANNED)
		return 0;
	bytes = zalloc(16 * n + 512);
	buf_init(&one, bytes, 8 * n + 256);
	buf_init(&other, bytes + 8 * n + 256, 8 * n + 256);
	convert(in, n, &plan, &one);
	convert(in, 1, &plan, &other);
	must(span_eq(buf_span(&one), buf_span(&other)));
	for (size_t i = 0; i < plan.n; i++)
		must(plan.regions[i].begin <= plan.regions[i].end &&
		    (i == 0 ||
			plan.regions[i - 1].end <= plan.regions[i].begin));
	free(bytes);
	return 0;
}
