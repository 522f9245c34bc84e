#include "imapd/parse/mutf7.h"

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* UTF-16 that comes bit by bit, to be put as UTF-8. */
struct decoder {
	struct buf *out; /* NULL: only looked at */
	uint32_t bits;
	unsigned bits_n;
	uint32_t high; /* the first half of a pair, or 0 */
};

static void
put_byte(struct buf *out, uint32_t byte)
{
	char c = (char)byte;

	if (out)
		buf_put(out, (struct span){ &c, 1 });
}

static void
put_utf8(struct buf *out, uint32_t u)
{
	if (u < 0x80) {
		put_byte(out, u);
		return;
	}
	if (u < 0x800) {
		put_byte(out, 0xc0 | u >> 6);
	} else {
		if (u < 0x10000) {
			put_byte(out, 0xe0 | u >> 12);
		} else {
			put_byte(out, 0xf0 | u >> 18);
			put_byte(out, 0x80 | (u >> 12 & 0x3f));
		}
		put_byte(out, 0x80 | (u >> 6 & 0x3f));
	}
	put_byte(out, 0x80 | (u & 0x3f));
}

/* A unit of UTF-16. False: it may not stand here. */
static bool
take_unit(struct decoder *d, uint32_t unit)
{
	bool high = unit >= 0xd800 && unit < 0xdc00;
	bool low = unit >= 0xdc00 && unit < 0xe000;

	if (low != (d->high != 0))
		return false;
	if (high) {
		d->high = unit;
		return true;
	}
	if (low) {
		unit = 0x10000 + ((d->high - 0xd800) << 10) + (unit - 0xdc00);
		d->high = 0;
	} else if (unit >= ' ' && unit < 0x7f) {
		return false; /* stands for itself, or is "&-" */
	}
	if (unit == 0)
		return false;
	put_utf8(d->out, unit);
	return true;
}

/* What stands between "&" and "-". */
static bool
take_shifted(struct span text, struct buf *out)
{
	struct decoder d = { .out = out };

	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i]
		    ? memchr(letters, text.p[i], sizeof(letters) - 1)
		    : NULL;

		if (!at)
			return false;
		d.bits = d.bits << 6 | (uint32_t)(at - letters);
		d.bits_n += 6;
		if (d.bits_n < 16)
			continue;
		d.bits_n -= 16;
		if (!take_unit(&d, d.bits >> d.bits_n & 0xffff))
			return false;
		d.bits &= (1u << d.bits_n) - 1;
	}
	return d.bits == 0 && d.bits_n < 6 && d.high == 0;
}

static bool
decode(struct span name, struct buf *out)
{
	bool shifted = false; /* just before */

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		const char *end;

		if (c < ' ' || c > '~')
			return false;
		if (c != '&') {
			put_byte(out, (unsigned char)c);
			shifted = false;
			continue;
		}
		end = memchr(name.p + i, '-', name.n - i);
		if (!end)
			return false;
		struct span text = { name.p + i + 1,
			(size_t)(end - name.p) - i - 1 };
		if (text.n == 0)
			put_byte(out, '&');
		else if (shifted || !take_shifted(text, out))
			return false;
		shifted = text.n > 0;
		i = (size_t)(end - name.p);
	}
	return true;
}

bool
mutf7_is_valid(struct span name)
{
	return decode(name, NULL);
}

bool
mutf7_decode(struct span name, struct buf *out)
{
	return decode(name, out);
}

/* One character of strict UTF-8. */
static bool
take_utf8(struct span *in, uint32_t *u_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*in->p;
	size_t n = c < 0x80 ? 1
	    : c < 0xc2      ? 0
	    : c < 0xe0      ? 2
	    : c < 0xf0      ? 3
			    : 4;
	uint32_t u = n == 1 ? c : c & (0x7fu >> n);

	if (n == 0 || c > 0xf4 || n > in->n)
		return false;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)in->p[i];

		if (next >> 6 != 2)
			return false;
		u = u << 6 | (next & 0x3f);
	}
	if (u < least[n] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return false;
	*in = (struct span){ in->p + n, in->n - n };
	*u_r = u;
	return true;
}

struct encoder {
	struct buf *out;
	bool shifted;
	uint32_t bits;
	unsigned bits_n;
};

static void
put_unit(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->bits_n += 16;
	while (e->bits_n >= 6) {
		e->bits_n -= 6;
		put_byte(e->out,
		    (uint32_t)letters[e->bits >> e->bits_n & 0x3f]);
		e->bits &= (1u << e->bits_n) - 1;
	}
}

static void
unshift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->bits_n > 0)
		put_byte(e->out,
		    (uint32_t)letters[e->bits << (6 - e->bits_n) & 0x3f]);
	put_byte(e->out, '-');
	*e = (struct encoder){ .out = e->out };
}

bool
mutf7_encode(struct span text, struct buf *out)
{
	struct encoder e = { .out = out };
	uint32_t u;

	while (text.n > 0) {
		if (!take_utf8(&text, &u) || u == 0)
			return false;
		if (u >= ' ' && u < 0x7f) {
			unshift(&e);
			put_byte(out, u);
			if (u == '&')
				put_byte(out, '-');
			continue;
		}
		if (!e.shifted)
			put_byte(out, '&');
		e.shifted = true;
		if (u >= 0x10000) {
			put_unit(&e, 0xd800 + ((u - 0x10000) >> 10));
			u = 0xdc00 + ((u - 0x10000) & 0x3ff);
		}
		put_unit(&e, u);
	}
	unshift(&e);
	return true;
}
