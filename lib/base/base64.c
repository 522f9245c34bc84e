#include "base/base64.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_put(struct buf *out, struct span in)
{
	const unsigned char *p = (const unsigned char *)in.p;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t n = in.n - i < 3 ? in.n - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;
		char four[4];

		v |= n > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= n > 2 ? (uint32_t)p[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			four[k] = k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
		buf_put(out, (struct span){ four, 4 });
	}
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The last four may end in one or two '=', over bits that are zero. */
static bool
take_four(const char *p, bool is_last, struct buf *out)
{
	size_t n = is_last && p[3] == '=' ? (p[2] == '=' ? 1 : 2) : 3;
	uint32_t v = 0;
	char three[3];

	for (size_t k = 0; k < 4; k++) {
		int d = k <= n ? value_of(p[k]) : 0;

		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
	}
	if ((n == 1 && (v & 0xffff)) || (n == 2 && (v & 0xff)))
		return false;
	for (size_t k = 0; k < 3; k++)
		three[k] = (char)(v >> (16 - 8 * k) & 0xff);
	buf_put(out, (struct span){ three, n });
	return !out->overflow;
}

bool
base64_take(struct span text, struct buf *out)
{
	if (text.n % 4)
		return false;
	for (size_t i = 0; i < text.n; i += 4)
		if (!take_four(text.p + i, i + 4 == text.n, out))
			return false;
	return true;
}
