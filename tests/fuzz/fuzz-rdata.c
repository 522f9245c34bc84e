#include "service/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a stranger's record has in it, what is taken from it is bounded. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rdata = { (const char *)data, size }, rest = rdata;
	char name[RDATA_NAME_MAX], text[256];
	struct rdata_tlsa tlsa;
	unsigned preference;
	struct buf b;

	if (rdata_take_name(&rest, name)) {
		must(strlen(name) < RDATA_NAME_MAX - 1);
		must(rest.n < rdata.n);
	}
	if (rdata_mx(rdata, &preference, name))
		must(preference <= UINT16_MAX);
	if (rdata_tlsa(rdata, &tlsa)) {
		must(tlsa.usage <= UINT8_MAX && tlsa.selector <= UINT8_MAX);
		must(tlsa.data.n > 0 && tlsa.data.n == size - 3);
	}
	buf_init(&b, text, sizeof(text));
	if (rdata_txt(rdata, &b))
		must(b.n < size || size == 0);
	return 0;
}
