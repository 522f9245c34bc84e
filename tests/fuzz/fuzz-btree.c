/*
 * A file of btree: whatever is in it, it opens or not, and then answers.
 */
#include "tests/fuzz/made.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_made("btree", ".db", data, n);
	return 0;
}
