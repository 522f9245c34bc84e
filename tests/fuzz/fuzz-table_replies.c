/* What servers of socketmap:, tcp: and memcache: say, and keys in what is said. */
#include "dict/server/format.h"
#include "dict/server/ldap_quote.h"
#include "dict/server/replies.h"
#include "dict/server/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char storage[1 << 16];
	struct span in, text;
	uint64_t n = 0;
	struct buf b;

	if (size == 0 || size > 4096)
		return 0;
	in = (struct span){ (const char *)data + 1, size - 1 };
	buf_init(&b, storage, sizeof(storage));
	switch (data[0] % 4) {
	case 0:
		(void)!reply_socketmap(in, &text);
		must(text.n <= in.n);
		break;
	case 1:
		/* What is asked can be read as what is answered is. */
		buf_put(&b, SPAN("200 "));
		ask_tcp(&b, in);
		must(!memchr(b.p + 4, '\n', b.n - 5));
		in = (struct span){ b.p + 8, b.n - 9 };
		(void)!reply_tcp(in, &b);
		break;
	case 2:
		if (reply_memcache(in, SPAN("k"), 1000, &n) == REPLY_FOUND)
			must(n <= 1000);
		(void)!memcache_has(in);
		break;
	case 3:
		(void)!utf8_is_valid(in);
		if (format_query("(a=%u)(b=%d)(c=%2)", in, ldap_quote_filter,
			NULL, &b) == FORMAT_PUT)
			for (size_t i = 3, depth = 1; i < b.n; i++) {
				depth += b.p[i] == '(';
				depth -= b.p[i] == ')';
				must(depth <= 1);
			}
		break;
	}
	return 0;
}
