#include "dict/server/utf8.h"

/* How many bytes come behind the first, and the least they may say. */
static bool
begin(uint8_t c, size_t *more_r, uint32_t *code_r, uint32_t *least_r)
{
	static const struct {
		uint8_t mask, first;
		uint32_t least;
	} forms[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};

	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if ((c & forms[i].mask) == forms[i].first) {
			*more_r = i;
			*code_r = c & (uint8_t)~forms[i].mask;
			*least_r = forms[i].least;
			return true;
		}
	return false;
}

bool
utf8_is_valid(struct span s)
{
	uint32_t code, least;
	size_t more;

	for (size_t i = 0; i < s.n;) {
		if (!begin((uint8_t)s.p[i++], &more, &code, &least))
			return false;
		for (; more > 0; more--, i++) {
			if (i == s.n || ((uint8_t)s.p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | ((uint8_t)s.p[i] & 0x3f);
		}
		if (code < least || code > 0x10ffff ||
		    (code >= 0xd800 && code < 0xe000))
			return false;
	}
	return true;
}
