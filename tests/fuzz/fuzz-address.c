/*
 * Reads the input as a path, in each manner. What comes of it is canonical: read
 * and written again it is the same.
 */
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct span text, unsigned flags)
{
	char one[ADDRESS_MAX], two[ADDRESS_MAX];
	struct span in = text, local, domain;
	struct address a;
	struct buf b, c;

	if (!take_path(&in, flags, &a))
		return;
	buf_init(&b, one, sizeof(one));
	address_put(&a, &b);
	must(!b.overflow);
	must(!b.n || (!memchr(b.p, '\n', b.n) && !memchr(b.p, '\0', b.n)));
	if (a.local.n == 0)
		return;
	in = buf_span(&b);
	/* With all its characters quoted it may be too long to be read. */
	if (!take_mailbox(&in, flags | ADDRESS_STRICT, &a))
		return;
	must(in.n == 0);
	buf_init(&c, two, sizeof(two));
	address_put(&a, &c);
	must(span_eq(buf_span(&b), buf_span(&c)));
	must(address_cut(buf_span(&b), &local, &domain) == (a.domain.n > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (unsigned flags = 0; flags < 4; flags++)
		check((struct span){ (const char *)data, size }, flags);
	return 0;
}
