/*
 * Reads the input as the head of a message for sendmail -t: fields are pieces of
 * it, one behind the other, and addresses are such that they are read as the same.
 */
#include "mail/address.h"
#include "tools/submit/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
check(struct span address, void *arg)
{
	char canonical[ADDRESS_MAX];
	struct span rest = address;
	struct address a;
	struct buf b;

	(void)arg;
	must(address.n > 0 && !memchr(address.p, '\n', address.n) &&
	    !memchr(address.p, '\0', address.n));
	must(take_mailbox(&rest, ADDRESS_UTF8, &a) && rest.n == 0);
	buf_init(&b, canonical, sizeof(canonical));
	address_put(&a, &b);
	must(span_eq(buf_span(&b), address));
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	const char *at = in.p;
	struct head_field f;

	while (head_next(&in, &f)) {
		size_t max = 2 * f.value.n + 64;
		char *scratch = zalloc(max);

		must(f.all.p == at && f.name.p == at && f.all.n > f.name.n);
		at += f.all.n;
		must(in.p == at);
		(void)head_role(f.name);
		(void)head_addresses(f.value, scratch, max, check, NULL);
		free(scratch);
	}
	return 0;
}
