#include "dict/server/ldap_quote.h"

static void
put_hex(struct buf *out, char c)
{
	buf_putf(out, "\\%02x", (unsigned)(unsigned char)c);
}

bool
ldap_quote_filter(struct span text, struct buf *out, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < text.n; i++)
		if (memchr("*()\\\0", text.p[i], 5))
			put_hex(out, text.p[i]);
		else
			buf_put(out, (struct span){ &text.p[i], 1 });
	return !out->overflow;
}

/* A blank or # means something at an end only; it does not hurt elsewhere. */
bool
ldap_quote_name(struct span text, struct buf *out, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' ||
		    memchr("\"+,;<>\\#= ", text.p[i], 10))
			put_hex(out, text.p[i]);
		else
			buf_put(out, (struct span){ &text.p[i], 1 });
	return !out->overflow;
}
