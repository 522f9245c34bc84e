/*
 * Addresses and networks: what is understood is put so that it means the same.
 */
#include "base/why.h"
#include "net/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	char storage[ADDR_TEXT_MAX];
	struct buf out;
	struct addr a;
	struct addr b;
	struct cidr c;
	struct cidr d;
	struct why why;

	buf_init(&out, storage, sizeof(storage));
	if (addr_parse(text, &a)) {
		addr_put(&out, &a);
		must(!out.overflow && addr_parse(buf_span(&out), &b));
		must(addr_cmp(&a, &b) == 0);
	}
	buf_init(&out, storage, sizeof(storage));
	if (cidr_parse(text, &c, &why) == 0) {
		cidr_put(&out, &c);
		must(
		    !out.overflow && cidr_parse(buf_span(&out), &d, &why) == 0);
		must(c.bits == d.bits && cidr_has(&d, &c.net));
	}
	return 0;
}
