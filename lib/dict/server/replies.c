#include "dict/server/replies.h"

#include "base/scan.h"

enum {
	MEMCACHE_KEY_MAX = 250,
};

enum reply
reply_socketmap(struct span in, struct span *text_r)
{
	static const struct {
		struct span word;
		enum reply reply;
	} words[] = {
		{ SPAN_INIT("OK"), REPLY_FOUND },
		{ SPAN_INIT("NOTFOUND"), REPLY_ABSENT },
		{ SPAN_INIT("TEMP"), REPLY_FAILED },
		{ SPAN_INIT("TIMEOUT"), REPLY_FAILED },
		{ SPAN_INIT("PERM"), REPLY_FAILED },
	};
	struct span word = span_cut(&in, ' ');

	*text_r = in;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (span_eq(word, words[i].word))
			return words[i].reply;
	return REPLY_GARBLED;
}

void
ask_socketmap(struct buf *out, struct span name, struct span key)
{
	buf_putf(out, "%zu:", name.n + 1 + key.n);
	buf_put(out, name);
	buf_put(out, SPAN(" "));
	buf_put(out, key);
	buf_put(out, SPAN(","));
}

/* False: what follows a % is no byte. */
static bool
unquote(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '%') {
			int high = i + 1 < in.n ? hex_value(in.p[i + 1]) : -1;
			int low = i + 2 < in.n ? hex_value(in.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		buf_put(out, (struct span){ &c, 1 });
	}
	return !out->overflow;
}

enum reply
reply_tcp(struct span line, struct buf *text)
{
	static const struct {
		struct span code;
		enum reply reply;
	} codes[] = {
		{ SPAN_INIT("200"), REPLY_FOUND },
		{ SPAN_INIT("500"), REPLY_ABSENT },
		{ SPAN_INIT("400"), REPLY_FAILED },
	};
	struct span code;

	if (!take_until(&line, ' ', &code) || !unquote(line, text))
		return REPLY_GARBLED;
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (span_eq(code, codes[i].code))
			return codes[i].reply;
	return REPLY_GARBLED;
}

void
ask_tcp(struct buf *out, struct span key)
{
	buf_put(out, SPAN("get "));
	for (size_t i = 0; i < key.n; i++) {
		unsigned char c = (unsigned char)key.p[i];

		if (c <= ' ' || c >= 0x7f || c == '%')
			buf_putf(out, "%%%02X", c);
		else
			buf_put(out, (struct span){ &key.p[i], 1 });
	}
	buf_put(out, SPAN("\n"));
}

enum reply
reply_memcache(struct span line, struct span key, uint64_t max,
    uint64_t *length_r)
{
	struct span word = { 0 };
	uint64_t flags;

	if (span_eq(line, SPAN("END")))
		return REPLY_ABSENT;
	if (!take_until(&line, ' ', &word) || !span_eq(word, SPAN("VALUE")))
		return span_eq(word, SPAN("SERVER_ERROR")) ? REPLY_FAILED
							   : REPLY_GARBLED;
	if (!take_until(&line, ' ', &word) || !span_eq(word, key) ||
	    !take_number(&line, UINT32_MAX, &flags) || !take_char(&line, ' ') ||
	    !take_number(&line, max, length_r) || line.n > 0)
		return REPLY_GARBLED;
	return REPLY_FOUND;
}

bool
memcache_has(struct span key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] <= ' ' || key.p[i] == 0x7f)
			return false;
	return key.n > 0 && key.n <= MEMCACHE_KEY_MAX;
}
