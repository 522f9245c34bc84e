/*
 * Reads a file of maildrop: what is taken lies within it, is bounded, and is the
 * file again when it is put together.
 */
#include "queue/drop.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct drop_record *r)
{
	must(r->text.n <= DROP_CONTENT_MAX);
	if (r->type == DROP_CONTENT)
		return;
	must(r->text.n <= DROP_TEXT_MAX);
	must(r->text.n == 0 ||
	    (!memchr(r->text.p, '\n', r->text.n) &&
		!memchr(r->text.p, '\0', r->text.n)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = { (const char *)data, size }, in = all;
	char *storage = zalloc(size + 16);
	struct drop_scan scan = { 0 };
	struct drop_record r;
	struct buf out;

	buf_init(&out, storage, size + 16);
	buf_put(&out, SPAN(DROP_MAGIC));
	while (drop_take(&scan, &in, &r) == DROP_TAKEN) {
		check(&r);
		drop_put(&out, r.type, r.text);
	}
	if (scan.begun)
		must(!out.overflow &&
		    span_eq(buf_span(&out),
			(struct span){ all.p, all.n - in.n }));
	free(storage);
	return 0;
}
