/*
 * A request of any bytes, by lines: it ends in a status that has a name, and what
 * is answered is bounded.
 */
#include "master/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct http_request r = { 0 };
	enum http_status status = HTTP_MORE;
	char storage[HTTP_HEAD_MAX];
	struct buf b;

	while (rest.n > 0 && status == HTTP_MORE)
		status = http_line(&r, span_cut(&rest, '\n'), SPAN("/metrics"));
	must(r.fields <= HTTP_FIELDS_MAX + 1);
	must(status != HTTP_OK || (r.begun && r.hosts < 2));
	buf_init(&b, storage, sizeof(storage));
	http_put_head(&b, status, SPAN("text/plain"), SIZE_MAX);
	must(!b.overflow);
	return 0;
}
