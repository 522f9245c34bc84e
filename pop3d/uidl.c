#include "pop3d/uidl.h"

enum {
	WIDTH_MAX = 10,
};

/* What stands between two literal parts: "%08Xu". */
struct number {
	bool zeros;
	unsigned width;
	char base; /* 'X', 'x', or 'd' */
	char of; /* 'u' or 'v' */
};

/* Takes it from behind a '%'. NULL: it is none. */
static const char *
take_number_form(const char *p, struct number *n_r)
{
	*n_r = (struct number){ .base = 'd' };
	if (*p == '0') {
		n_r->zeros = true;
		p++;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		n_r->width = n_r->width * 10 + (unsigned)(*p - '0');
		if (n_r->width > WIDTH_MAX)
			return NULL;
	}
	if (*p == 'X' || *p == 'x')
		n_r->base = *p++;
	n_r->of = *p;
	return n_r->of == 'u' || n_r->of == 'v' ? p + 1 : NULL;
}

static void
put_number(struct buf *out, const struct number *n, uint32_t value)
{
	const char *digits = n->base == 'X' ? "0123456789ABCDEF"
					    : "0123456789abcdef";
	uint32_t base = n->base == 'd' ? 10 : 16;
	char text[WIDTH_MAX];
	size_t at = sizeof(text);

	do
		text[--at] = digits[value % base];
	while ((value /= base) > 0 && at > 0);
	while (sizeof(text) - at < n->width && at > 0)
		text[--at] = n->zeros ? '0' : ' ';
	buf_put(out, (struct span){ text + at, sizeof(text) - at });
}

/* False: the format is none. */
static bool
put(struct buf *out, const char *p, uint32_t uidvalidity, uint32_t uid)
{
	struct number n;

	while (*p) {
		if (*p != '%') {
			buf_put(out, (struct span){ p++, 1 });
			continue;
		}
		p = take_number_form(p + 1, &n);
		if (!p)
			return false;
		put_number(out, &n, n.of == 'u' ? uid : uidvalidity);
	}
	return true;
}

/* Two ids of different messages must differ, which 'u' and 'v' see to. */
bool
pop3_uidl_check(const char *format)
{
	char text[POP3_UIDL_MAX];
	struct buf b;
	bool u = false, v = false;

	buf_init(&b, text, sizeof(text));
	if (!put(&b, format, 1, UINT32_MAX) || b.overflow || b.n == 0)
		return false;
	buf_drop(&b, b.n);
	if (!put(&b, format, UINT32_MAX, 1) || b.overflow)
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] < '!' || b.p[i] > '~')
			return false;
	for (const char *p = strchr(format, '%'); p; p = strchr(p, '%')) {
		struct number n;

		p = take_number_form(p + 1, &n);
		must(p);
		u = u || n.of == 'u';
		v = v || n.of == 'v';
	}
	return u && v;
}

void
pop3_uidl_put(struct buf *out, const char *format, uint32_t uidvalidity,
    uint32_t uid)
{
	must(put(out, format, uidvalidity, uid));
}
