/*
 * A file of cdb: whatever is in it, it opens or not, and then answers.
 */
#include "tests/fuzz/made.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_made("cdb", ".cdb", data, n);
	return 0;
}
