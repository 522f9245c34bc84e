/*
 * The table cidr: whatever its source is, it opens, and then answers.
 */
#include "tests/fuzz/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_table("cidr", data, n);
	return 0;
}
