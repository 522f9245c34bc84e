/*
 * What the store keeps for a message, as any bytes: texts lie within them.
 */
#include "imapd/mailbox/cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(struct span text, struct span all)
{
	must(text.p >= all.p && text.p + text.n <= all.p + all.n);
	must(text.n >= 2 && text.p[0] == '(' && text.p[text.n - 1] == ')');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span all = { (const char *)data, n };
	struct span body, text;

	if (cache_take_envelope(all, &text))
		check(text, all);
	if (cache_take_structure(all, &body, &text)) {
		check(body, all);
		check(text, all);
	}
	return 0;
}
