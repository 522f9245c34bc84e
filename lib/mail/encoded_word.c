#include "mail/encoded_word.h"

#include "base/scan.h"
#include "mail/charset.h"
#include "mail/codec.h"

struct word {
	struct span charset;
	char encoding; /* 'q' or 'b' */
	struct span text;
};

static bool
is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

/* "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" */
static bool
take_word_of(struct span *in, struct word *word_r)
{
	struct span rest = *in, encoding;
	struct word word;
	size_t n = 0;

	if (!take_text(&rest, SPAN("=?")))
		return false;
	if (rest.n > ENCODED_WORD_MAX)
		rest.n = ENCODED_WORD_MAX;
	if (!take_until(&rest, '?', &word.charset) || !is_token(word.charset) ||
	    !take_until(&rest, '?', &encoding) || encoding.n != 1)
		return false;
	word.charset = span_cut(&word.charset, '*'); /* RFC 2231, section 5 */
	word.encoding = ascii_lower(*encoding.p);
	/* Blanks within are forbidden, and common. */
	while (n < rest.n && rest.p[n] != '?')
		n++;
	word.text = (struct span){ rest.p, n };
	if (rest.n < n + 2 || rest.p[n + 1] != '=' ||
	    (word.encoding != 'q' && word.encoding != 'b'))
		return false;
	n += (size_t)(rest.p - in->p) + 2;
	*in = (struct span){ in->p + n, in->n - n };
	*word_r = word;
	return true;
}

static bool
put_word(const struct word *word, struct buf *out)
{
	char storage[ENCODED_WORD_MAX + 128];
	struct span text = word->text;
	struct buf b;

	buf_init(&b, storage, sizeof(storage));
	if (word->encoding == 'b') {
		struct base64 base64 = { 0 };

		base64_feed(&base64, &text, &b);
		text = SPAN("=");
		base64_feed(&base64, &text, &b);
	} else {
		struct qp qp = { .word = true };

		qp_feed(&qp, &text, &b);
		qp_end(&qp, &b);
	}
	return charset_to_utf8(word->charset, buf_span(&b), out);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks from the front; where no word follows another, they count. */
static struct span
take_space(struct span *in)
{
	size_t n = 0;

	while (n < in->n && is_blank(in->p[n]))
		n++;

	struct span space = { in->p, n };
	*in = (struct span){ in->p + n, in->n - n };
	return space;
}

void
encoded_words(struct span text, struct buf *out)
{
	bool after_word = false;

	while (text.n > 0 && !out->overflow) {
		struct span space = take_space(&text);
		struct span rest = text;
		struct word word;
		size_t n = 0;

		if (take_word_of(&rest, &word)) {
			size_t before = out->n;

			if (!after_word)
				buf_put(out, space);
			if (put_word(&word, out)) {
				text = rest;
				after_word = true;
				continue;
			}
			out->n = before;
		}
		buf_put(out, space);
		/* To the next blank, or the next that looks like a word. */
		while (n < text.n && !is_blank(text.p[n]) &&
		    (n == 0 || text.n - n < 2 || text.p[n] != '=' ||
			text.p[n + 1] != '?'))
			n++;
		buf_put(out, (struct span){ text.p, n });
		text = (struct span){ text.p + n, text.n - n };
		after_word = false;
	}
}
