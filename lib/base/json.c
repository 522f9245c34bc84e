#include "base/json.h"

static bool
is_tail(struct span s, size_t at)
{
	return at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80;
}

/* RFC 3629, section 4: the length of the character `s` begins with, or 0. */
size_t
utf8_length(struct span s)
{
	unsigned char c = (unsigned char)s.p[0];
	unsigned char d = s.n > 1 ? (unsigned char)s.p[1] : 0;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || !is_tail(s, 1))
		return 0;
	if (c < 0xe0)
		return 2;
	if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) ||
	    (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f) ||
	    !is_tail(s, 2))
		return 0;
	if (c < 0xf0)
		return 3;
	return is_tail(s, 3) ? 4 : 0;
}

/* One character of a JSON string; returns how many bytes of `s` it was. */
static size_t
put_char(struct buf *out, struct span s)
{
	size_t n = utf8_length(s);
	unsigned char c = (unsigned char)s.p[0];

	if (n == 0)
		buf_put(out, SPAN("\xef\xbf\xbd"));
	else if (c == '"' || c == '\\')
		buf_putf(out, "\\%c", c);
	else if (c < ' ' || c == 0x7f)
		buf_putf(out, "\\u%04x", c);
	else
		buf_put(out, (struct span){ s.p, n });
	return n ? n : 1;
}

void
json_put(struct buf *out, struct span s)
{
	buf_put(out, SPAN("\""));
	while (s.n > 0) {
		size_t n = put_char(out, s);

		s.p += n;
		s.n -= n;
	}
	buf_put(out, SPAN("\""));
}
