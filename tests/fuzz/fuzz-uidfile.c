/* A line of any bytes: what is read can be written, and gives UIDs in order. */
#include "store/uidfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char boot[] = "0123456789abcdef0123456789abcdef";
	struct span in = { (const char *)data, size };
	struct uidfile f, again;
	char line[UIDFILE_LINE];
	bool sync;

	if (!uidfile_read(in, &f))
		uidfile_begin(&f, 1700000000, in);
	uint32_t validity = f.uidvalidity;
	uint32_t first = uidfile_take(&f, boot, 1700000000, &sync);
	uint32_t second = uidfile_take(&f, boot, 1700000000, &sync);
	must(first > 0 && (second > first || f.uidvalidity != validity));
	must(f.next <= f.reserved);
	uidfile_put(line, &f);
	must(uidfile_read((struct span){ line, sizeof(line) }, &again));
	must(again.next == f.next && again.reserved == f.reserved);
	return 0;
}
