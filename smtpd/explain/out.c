#include "smtpd/explain/out.h"

#include "base/json.h"

#include <stdio.h>

enum {
	PIECE_MAX = 256, /* of a text that becomes JSON in one go */
};

void
out_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		putchar(c < ' ' || c == 0x7f ? '?' : c);
	}
}

/* How much of `s` is whole characters, and no more than a piece. */
static size_t
piece_of(struct span s)
{
	size_t n = 0;

	while (n < s.n) {
		size_t len = utf8_length((struct span){ s.p + n, s.n - n });

		len = len ? len : 1;
		if (n + len > PIECE_MAX)
			break;
		n += len;
	}
	return n;
}

void
out_json(struct span s)
{
	char text[6 * PIECE_MAX + 2];
	struct buf b;

	if (!s.p) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	while (s.n > 0) {
		struct span piece = { s.p, piece_of(s) };

		buf_init(&b, text, sizeof(text));
		json_put(&b, piece);
		must(!b.overflow);
		/* The quotes stand around the whole. */
		fwrite(text + 1, 1, b.n - 2, stdout);
		s.p += piece.n;
		s.n -= piece.n;
	}
	putchar('"');
}

void
out_member(bool first, const char *name, struct span value)
{
	printf("%s\"%s\": ", first ? "" : ", ", name);
	out_json(value);
}

void
out_table(const char *table, struct span key)
{
	if (!table)
		return;
	putchar(' ');
	out_text(span_str(table));
	if (key.n == 0)
		return;
	fputs(" (", stdout);
	out_text(key);
	putchar(')');
}
