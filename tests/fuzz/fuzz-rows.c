/* A value of the index: with its sum made right, what is read can be changed. */
#include "store/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chunk c;
	static char bytes[2 * sizeof(struct chunk)];
	struct span value = { bytes, size };
	uint64_t sum;

	if (size < sizeof(sum) || size > sizeof(bytes))
		return 0;
	memcpy(bytes, data, size);
	sum = row_sum(1, bytes + sizeof(sum), size - sizeof(sum));
	memcpy(bytes, &sum, sizeof(sum));
	if (!chunk_read(value, 1, 3, &c))
		return 0;
	must(c.n && c.n <= CHUNK_ROWS && chunk_size(&c) == size);
	for (uint32_t uid = 3 * CHUNK_ROWS; uid < 4 * CHUNK_ROWS; uid++)
		chunk_put(&c, &(struct mbox_message){ .uid = uid });
	must(c.n == CHUNK_ROWS);
	chunk_remove(&c, c.rows[0].uid);
	must(c.n == CHUNK_ROWS - 1);
	return 0;
}
