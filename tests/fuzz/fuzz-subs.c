/* A file of subscriptions: only names that a mailbox can have come out. */
#include "store/subs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct subs s;
	struct span name;
	char line[STORE_NAME_MAX + 2];
	struct buf b;

	subs_begin(&s, (struct span){ (const char *)data, size });
	while (subs_next(&s, &name)) {
		must(store_name_is_valid(name));
		buf_init(&b, line, sizeof(line));
		subs_put(&b, name);
		must(!b.overflow && b.n == name.n + 1);
	}
	return 0;
}
