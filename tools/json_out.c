#include "tools/json_out.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

void
json_out(struct span s)
{
	char small[1024];
	size_t max = 6 * s.n + 2;
	char *large = max > sizeof(small) ? zalloc(max) : NULL;
	struct buf b;

	buf_init(&b, large ? large : small, max);
	json_put(&b, s);
	fwrite(b.p, 1, b.n, stdout);
	free(large);
}
