/*
 * Scans the input as a message, whole and byte by byte: the same comes of it, and
 * it is the input but for one LF.
 */
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
put(struct span piece, void *arg)
{
	buf_put(arg, piece);
	return true;
}

static void
scan(struct span text, size_t step, struct buf *out)
{
	struct header_scan h = { .put = put, .arg = out };

	while (text.n > 0) {
		size_t n = text.n < step ? text.n : step;

		must(header_scan_feed(&h, (struct span){ text.p, n }));
		text.p += n;
		text.n -= n;
	}
	must(header_scan_end(&h));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char one[65536], two[65536];
	struct span text = { (const char *)data, size };
	struct buf a, b;

	if (size >= sizeof(one))
		return 0;
	buf_init(&a, one, sizeof(one));
	buf_init(&b, two, sizeof(two));
	scan(text, 1, &a);
	scan(text, size + 1, &b);
	must(!a.overflow && span_eq(buf_span(&a), buf_span(&b)));
	must(a.n == size || a.n == size + 1);
	return 0;
}
