/*
 * Renders the input as a packet of the log stream: no text has a control
 * character, and what is said as JSON has its quotes closed and is UTF-8's.
 */
#include "mail/maillog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char storage[1 << 20];
	struct log_record r;
	struct buf out;

	if (!log_decode((struct span){ (const char *)data, size }, &r))
		return 0;
	buf_init(&out, storage, sizeof(storage));
	maillog_render_text(&r, &out);
	for (size_t i = 0; i < out.n; i++)
		must((unsigned char)out.p[i] >= ' ' && out.p[i] != 0x7f);
	buf_init(&out, storage, sizeof(storage));
	maillog_render_json(&r, SPAN("mx"), &out);
	must(size > 65536 || !out.overflow);
	must(out.overflow || (out.p[0] == '{' && out.p[out.n - 1] == '}'));
	for (size_t i = 0; i < out.n; i++)
		must((unsigned char)out.p[i] >= ' ' &&
		    (unsigned char)out.p[i] != 0xff);
	return 0;
}
