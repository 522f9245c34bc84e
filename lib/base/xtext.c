#include "base/xtext.h"

#include "base/scan.h"

bool
xtext_decode(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '+') {
			int high = i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
			int low = i + 2 < in.n ? hex_value(in.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(16 * high + low);
			i += 2;
		}
		buf_put(out, (struct span){ &c, 1 });
	}
	return !out->overflow;
}

void
xtext_put(struct buf *out, struct span in)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		const char coded[3] = { '+', digits[c >> 4], digits[c & 15] };
		bool plain = c > ' ' && c <= '~' && c != '+' && c != '=';

		buf_put(out,
		    plain ? (struct span){ in.p + i, 1 }
			  : (struct span){ coded, sizeof(coded) });
	}
}
