#include "imapd/mailbox/fold.h"

#include "base/span.h"

/* Capitals whose small letter is at a fixed distance, or is the next one. */
static const struct {
	uint32_t first, last;
	int32_t to_small; /* 1: the odd one of a pair, or the even one */
} ranges[] = {
	{ 0xc0, 0xd6, 32 },
	{ 0xd8, 0xde, 32 },
	{ 0x100, 0x12f, 1 },
	{ 0x132, 0x137, 1 },
	{ 0x139, 0x148, 1 },
	{ 0x14a, 0x177, 1 },
	{ 0x178, 0x178, 0xff - 0x178 },
	{ 0x179, 0x17e, 1 },
	{ 0x386, 0x386, 38 },
	{ 0x388, 0x38a, 37 },
	{ 0x38c, 0x38c, 64 },
	{ 0x38e, 0x38f, 63 },
	{ 0x391, 0x3a1, 32 },
	{ 0x3a3, 0x3ab, 32 },
	{ 0x3c2, 0x3c2, 1 }, /* the sigma that ends a word */
	{ 0x400, 0x40f, 80 },
	{ 0x410, 0x42f, 32 },
	{ 0x460, 0x481, 1 },
	{ 0x48a, 0x4bf, 1 },
	{ 0x4d0, 0x52f, 1 },
	{ 0x531, 0x556, 48 },
	{ 0x1e00, 0x1e95, 1 },
	{ 0x1ea0, 0x1eff, 1 },
	{ 0xff21, 0xff3a, 32 },
};

static uint32_t
small_of(uint32_t c)
{
	for (size_t i = 0; i < COUNT_OF(ranges) && ranges[i].first <= c; i++) {
		if (c > ranges[i].last)
			continue;
		if (ranges[i].to_small == 1)
			return (c - ranges[i].first) % 2 == 0 ? c + 1 : c;
		return (uint32_t)((int32_t)c + ranges[i].to_small);
	}
	return c;
}

/* Bytes of a character that begins so; those of more than 3 have no case. */
static size_t
length_of(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	return c >= 0xe0 && c <= 0xef ? 3 : 1;
}

static bool
goes_on(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static void
fold_two(char *p)
{
	uint32_t c = small_of(
	    ((uint32_t)p[0] & 0x1f) << 6 | ((uint32_t)p[1] & 0x3f));

	p[0] = (char)(0xc0 | c >> 6);
	p[1] = (char)(0x80 | (c & 0x3f));
}

static void
fold_three(char *p)
{
	uint32_t c = small_of(((uint32_t)p[0] & 0xf) << 12 |
	    ((uint32_t)p[1] & 0x3f) << 6 | ((uint32_t)p[2] & 0x3f));

	p[0] = (char)(0xe0 | c >> 12);
	p[1] = (char)(0x80 | (c >> 6 & 0x3f));
	p[2] = (char)(0x80 | (c & 0x3f));
}

size_t
fold(char *text, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t length = length_of((unsigned char)text[i]);

		if (length == 1) {
			text[i] = ascii_lower(text[i]);
			i++;
			continue;
		}
		if (i + 1 < n && !goes_on(text[i + 1])) {
			i++;
			continue;
		}
		if (i + length > n)
			break;
		if (length == 2)
			fold_two(text + i);
		else if (goes_on(text[i + 2]))
			fold_three(text + i);
		i += length == 3 && !goes_on(text[i + 2]) ? 1 : length;
	}
	return i;
}
