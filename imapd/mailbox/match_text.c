#include "imapd/mailbox/match_text.h"

#include "imapd/mailbox/fold.h"
#include "mail/charset.h"

#include <stdlib.h>

enum {
	WINDOW = 32 << 10,
	DECODED = 16 << 10,
	UTF8 = 4 * DECODED, /* a byte becomes three, and there is more */
	ROOM = 128, /* that a decoder may need for its end */
};

void
match_text_init(struct match_text *t, size_t longest, match_look_fn *look,
    void *arg)
{
	*t = (struct match_text){
		.look = look,
		.arg = arg,
		.overlap = longest > 0 ? longest - 1 : 0,
		.window_max = WINDOW + longest,
		.window = zalloc(WINDOW + longest),
	};
}

void
match_text_fini(struct match_text *t)
{
	free(t->window);
	free(t->decoded.storage);
	free(t->utf8);
}

/* Shows the window, and keeps the end of it, in which a word may begin. */
static void
look(struct match_text *t)
{
	size_t keep;

	t->folded += fold(t->window + t->folded, t->window_n - t->folded);
	t->look((struct span){ t->window, t->folded }, t->arg);
	keep = t->window_n - t->folded + t->overlap;
	if (keep >= t->window_n)
		return;
	memmove(t->window, t->window + t->window_n - keep, keep);
	t->folded -= t->window_n - keep;
	t->window_n = keep;
}

static void
append(struct match_text *t, struct span s)
{
	while (s.n > 0) {
		/* A character that is not whole is kept too. */
		if (t->window_max - t->window_n < 8)
			look(t);

		size_t room = t->window_max - t->window_n;
		size_t n = s.n < room ? s.n : room;

		memcpy(t->window + t->window_n, s.p, n);
		t->window_n += n;
		s = (struct span){ s.p + n, s.n - n };
	}
}

void
match_text_put(struct match_text *t, struct span text)
{
	while (text.n > 0)
		append(t, span_cut(&text, '\r'));
}

void
match_text_begin(struct match_text *t)
{
	t->window_n = 0;
	t->folded = 0;
	t->encoding = MATCH_PLAIN;
	t->charset = SPAN("");
	buf_drop(&t->decoded, t->decoded.n);
}

void
match_text_begin_body(struct match_text *t, const struct mime_part *part)
{
	struct span charset = mime_param_find(part->params, SPAN("charset"));

	match_text_begin(t);
	t->base64 = (struct base64){ 0 };
	t->qp = (struct qp){ 0 };
	if (span_ieq(part->encoding, SPAN("base64")))
		t->encoding = MATCH_BASE64;
	else if (span_ieq(part->encoding, SPAN("quoted-printable")))
		t->encoding = MATCH_QP;
	/* Where nobody knows the charset, ASCII is found in nearly all. */
	if (charset.p && !span_ieq(charset, SPAN("utf-8")) &&
	    !span_ieq(charset, SPAN("us-ascii")) && charset_is_known(charset))
		t->charset = charset;
	if (!t->utf8 && (t->encoding != MATCH_PLAIN || t->charset.n > 0)) {
		t->utf8 = zalloc(UTF8);
		buf_init(&t->decoded, zalloc(DECODED), DECODED);
	}
}

/*
 * What was decoded becomes UTF-8. A character may be cut only where the buffer is
 * full without an end of a line: at one, all charsets of mail are as they begin.
 */
static void
convert(struct match_text *t, bool over)
{
	struct span all = buf_span(&t->decoded);
	const char *end = all.n ? memrchr(all.p, '\n', all.n) : NULL;
	struct buf out;

	if (t->charset.n == 0) {
		match_text_put(t, all);
		buf_drop(&t->decoded, all.n);
		return;
	}
	if (!over && end)
		all.n = (size_t)(end + 1 - all.p);
	buf_init(&out, t->utf8, UTF8);
	/* A module that has gone: as if nobody knew it. */
	if (charset_to_utf8(t->charset, all, &out))
		match_text_put(t, buf_span(&out));
	else
		match_text_put(t, all);
	buf_drop(&t->decoded, all.n);
}

static void
decode(struct match_text *t, struct span *piece)
{
	struct span s = *piece;

	switch (t->encoding) {
	case MATCH_BASE64:
		base64_feed(&t->base64, piece, &t->decoded);
		return;
	case MATCH_QP:
		qp_feed(&t->qp, piece, &t->decoded);
		return;
	case MATCH_PLAIN:
		if (s.n > buf_room(&t->decoded))
			s.n = buf_room(&t->decoded);
		buf_put(&t->decoded, s);
		*piece = (struct span){ piece->p + s.n, piece->n - s.n };
		return;
	}
}

void
match_text_feed(struct match_text *t, struct span piece)
{
	if (t->encoding == MATCH_PLAIN && t->charset.n == 0) {
		match_text_put(t, piece);
		return;
	}
	while (piece.n > 0) {
		decode(t, &piece);
		if (piece.n > 0)
			convert(t, false);
	}
}

void
match_text_end(struct match_text *t)
{
	struct span padding = SPAN("=");

	while (t->utf8 && buf_room(&t->decoded) < ROOM)
		convert(t, false);
	if (t->encoding == MATCH_BASE64)
		base64_feed(&t->base64, &padding, &t->decoded);
	if (t->encoding == MATCH_QP)
		qp_end(&t->qp, &t->decoded);
	convert(t, true);
	look(t);
	t->look((struct span){ t->window, t->window_n }, t->arg);
}
