/*
 * Names of mailboxes: what is well-formed comes back the same by way of UTF-8, and
 * so does UTF-8 by way of a name.
 */
#include "imapd/parse/mutf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char one[8192 * 5 + 16], two[8192 * 15 + 16];
	struct span text = { (const char *)data, n };
	struct buf a, b;
	bool valid;

	if (n > 8192)
		return 0;
	buf_init(&a, one, sizeof(one));
	buf_init(&b, two, sizeof(two));
	valid = mutf7_is_valid(text);
	must(mutf7_decode(text, &a) == valid);
	if (valid) {
		must(mutf7_encode(buf_span(&a), &b));
		must(!b.overflow && span_eq(buf_span(&b), text));
	}
	buf_init(&a, one, n * 5);
	buf_init(&b, two, sizeof(two));
	if (mutf7_encode(text, &a)) {
		must(!a.overflow && mutf7_is_valid(buf_span(&a)));
		must(mutf7_decode(buf_span(&a), &b));
		must(span_eq(buf_span(&b), text));
	}
	return 0;
}
