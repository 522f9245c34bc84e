#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>

enum {
	NAME_MAX_LEN = 40,
};

static iconv_t
none(void)
{
	return (iconv_t)-1; /* as iconv_open() has it */
}

static void
close_conversion(iconv_t *cd)
{
	if (*cd != none())
		iconv_close(*cd);
}

/* Names are of letters, digits and few signs: "//" has a meaning for iconv. */
static bool
is_name(struct span charset)
{
	for (size_t i = 0; i < charset.n; i++) {
		char c = ascii_lower(charset.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '_' || c == '.' || c == ':' ||
			c == '+'))
			return false;
	}
	return charset.n > 0 && charset.n < NAME_MAX_LEN;
}

static iconv_t
open_conversion(struct span charset)
{
	char name[NAME_MAX_LEN];

	if (!is_name(charset))
		return none();
	/* Much that says ASCII has 8-bit text: that comes out as U+FFFD. */
	memcpy(name, charset.p, charset.n);
	name[charset.n] = '\0';
	return iconv_open("UTF-8", name);
}

bool
charset_is_known(struct span charset)
{
	iconv_t cd CLEANUP(close_conversion) = open_conversion(charset);

	return cd != none();
}

void
charset_warm_up(void)
{
	static const struct span usual[] = {
		SPAN_INIT("us-ascii"),
		SPAN_INIT("utf-8"),
		SPAN_INIT("utf-7"),
		SPAN_INIT("iso-8859-1"),
		SPAN_INIT("iso-8859-2"),
		SPAN_INIT("iso-8859-5"),
		SPAN_INIT("iso-8859-7"),
		SPAN_INIT("iso-8859-9"),
		SPAN_INIT("iso-8859-15"),
		SPAN_INIT("windows-1250"),
		SPAN_INIT("windows-1251"),
		SPAN_INIT("windows-1252"),
		SPAN_INIT("windows-1253"),
		SPAN_INIT("windows-1254"),
		SPAN_INIT("windows-1255"),
		SPAN_INIT("windows-1256"),
		SPAN_INIT("koi8-r"),
		SPAN_INIT("koi8-u"),
		SPAN_INIT("iso-2022-jp"),
		SPAN_INIT("shift_jis"),
		SPAN_INIT("euc-jp"),
		SPAN_INIT("gb2312"),
		SPAN_INIT("gbk"),
		SPAN_INIT("gb18030"),
		SPAN_INIT("big5"),
		SPAN_INIT("euc-kr"),
		SPAN_INIT("iso-2022-kr"),
	};

	for (size_t i = 0; i < COUNT_OF(usual); i++)
		(void)charset_is_known(usual[i]);
}

static void
put_without_nul(struct buf *out, struct span text)
{
	while (text.n > 0)
		buf_put(out, span_cut(&text, '\0'));
}

bool
charset_to_utf8(struct span charset, struct span text, struct buf *out)
{
	iconv_t cd CLEANUP(close_conversion) = open_conversion(charset);
	/* iconv() wants what it does not change to be writable. */
	union {
		const char *from;
		char *in;
	} at = { .from = text.p };
	size_t left = text.n;

	if (cd == none())
		return false;
	for (bool more = true; more;) {
		char piece[512];
		char *end = piece;
		size_t room = sizeof(piece);
		size_t before = left;
		size_t r = iconv(cd, left ? &at.in : NULL, &left, &end, &room);
		bool wrong = r == (size_t)-1 && errno != E2BIG;

		more = left > 0;
		put_without_nul(out,
		    (struct span){ piece, (size_t)(end - piece) });
		if (wrong && left > 0) {
			buf_put(out, SPAN("\xef\xbf\xbd"));
			at.in++;
			left--;
			more = true; /* once more, for what is pending */
		} else if (left == before && end == piece) {
			more = false;
		}
		more = more && !out->overflow;
	}
	return true;
}
