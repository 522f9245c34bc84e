/*
 * What a program says to `sendmail -bs`, line by line: each reply is whole, and an
 * address that comes out can stand in a record.
 */
#include "tools/submit/smtp.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_address(const struct smtp *s)
{
	for (size_t i = 0; i < s->address.n; i++)
		must(s->address.p[i] != '\n' && s->address.p[i] != '\r' &&
		    s->address.p[i] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data, n };
	enum smtp_want want = SMTP_WANT_LINE;
	char storage[SMTP_REPLY_MAX];
	struct smtp s;
	struct buf out;

	buf_init(&out, storage, sizeof(storage));
	smtp_init(&s, "mail.example.test", 3, &out);
	while (in.n > 0 && want != SMTP_WANT_CLOSE) {
		struct span line = span_cut(&in, '\n');

		buf_drop(&out, out.n);
		want = smtp_line(&s, line, &out);
		must(!out.overflow && out.n > 5);
		must(out.p[out.n - 2] == '\r' && out.p[out.n - 1] == '\n');
		if (want == SMTP_WANT_SENDER || want == SMTP_WANT_RCPT)
			check_address(&s);
		if (want == SMTP_WANT_DATA)
			smtp_done(&s, SMTP_DONE_OK, &out);
		must(s.rcpts <= 3 && (s.has_sender || s.rcpts == 0));
	}
	return 0;
}
