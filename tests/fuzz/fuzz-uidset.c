/* Any bytes: a set that is read is in order, and is written as what it is. */
#include "store/uidset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct uidset s, again;
	struct buf b;

	if (!uidset_take(&in, 42, &s))
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		must(
		    s.ranges[i].first && s.ranges[i].first <= s.ranges[i].last);
		must(i == 0 ||
		    s.ranges[i].first > s.ranges[i - 1].last + UINT64_C(1));
		must(uidset_has(&s, s.ranges[i].first));
	}
	size_t max = 24 * s.n + 1;
	char *text = malloc(max);
	must(text);
	buf_init(&b, text, max);
	uidset_put(&b, &s);
	must(!b.overflow);
	struct span out = buf_span(&b);
	must(s.n == 0 || (uidset_take(&out, 0, &again) && again.n == s.n));
	if (s.n)
		uidset_fini(&again);
	uidset_fini(&s);
	free(text);
	return 0;
}
