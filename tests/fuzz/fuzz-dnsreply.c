/*
 * What a name server answers: an answer to another question is none, and what is
 * found is found again however much stands behind it.
 */
#include "master/check/dnsreply.h"

#include <stdlib.h>
#include <string.h>

enum {
	ID = 0x1234,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = zalloc(n + 1);
	char query[DNSREPLY_QUERY_MAX];
	struct buf b;

	memcpy(copy, data, n);
	for (int type = DNSREPLY_A; type <= DNSREPLY_AAAA; type++) {
		struct span packet = { copy, n };
		enum dnsreply r = dnsreply_read(packet, ID, (uint16_t)type);

		must(r == DNSREPLY_FOREIGN ||
		    dnsreply_read(packet, ID + 1, (uint16_t)type) ==
			DNSREPLY_FOREIGN);
		packet.n = n + 1;
		must(r == DNSREPLY_FOREIGN || r == DNSREPLY_NODATA ||
		    dnsreply_read(packet, ID, (uint16_t)type) == r);
	}
	buf_init(&b, query, sizeof(query));
	if (dnsreply_ask(&b, ID, (struct span){ copy, n }, DNSREPLY_MX)) {
		/* No answer: it does not say that it is one. */
		must(dnsreply_read(buf_span(&b), ID, DNSREPLY_MX) ==
		    DNSREPLY_FOREIGN);
		b.p[2] = (char)0x81;
		must(dnsreply_read(buf_span(&b), ID, DNSREPLY_MX) ==
		    DNSREPLY_NODATA);
	}
	free(copy);
	return 0;
}
