#include "imapd/parse/frame.h"

#include "base/scan.h"
#include "imapd/parse/token.h"

void
frame_init(struct frame *f, char *storage, size_t max)
{
	*f = (struct frame){ .fresh = true, .literals = true };
	buf_init(&f->text, storage, max);
}

void
frame_reset(struct frame *f)
{
	bool literals = f->literals;

	frame_init(f, f->text.storage, f->text.max);
	f->literals = literals;
}

void
frame_resume(struct frame *f)
{
	frame_reset(f);
	f->fresh = false;
}

struct span
frame_tag(const struct frame *f)
{
	struct span tag = { f->tag, f->tag_n };
	struct span all = tag, word;

	if (imap_take_tag(&all, &word) && all.n == 0)
		return tag;
	return SPAN("*");
}

bool
frame_literal(struct span line, uint64_t *n_r, bool *sync_r)
{
	size_t at = line.n;
	uint64_t n;
	bool plus;

	if (at < 3 || line.p[--at] != '}')
		return false;
	plus = line.p[at - 1] == '+';
	while (at > 0 && line.p[at - 1] != '{' && line.n - at < 23)
		at--;
	if (at == 0 || line.p[at - 1] != '{')
		return false;
	line = (struct span){ line.p + at, line.n - at };
	if (!take_number(&line, INT64_MAX, &n) || line.n != (plus ? 2u : 1u))
		return false;
	*n_r = n;
	*sync_r = !plus;
	return true;
}

/* The first word of a command is its tag, kept for what refuses it. */
static void
keep_tag(struct frame *f, struct span text)
{
	struct span tag = span_cut(&text, ' ');

	f->tag_n = tag.n < sizeof(f->tag) ? tag.n : 0;
	memcpy(f->tag, tag.p, f->tag_n);
}

static enum frame_result
refuse(struct frame *f, enum frame_result result, const char *error)
{
	f->error = error;
	f->fresh = true;
	return result;
}

/*
 * Whether the literal that is announced is a message: that of APPEND, behind the
 * name of a mailbox.
 */
static bool
is_append(struct span text)
{
	struct span word;

	return imap_take_tag(&text, &word) && take_char(&text, ' ') &&
	    imap_take_atom(&text, &word) && span_ieq(word, SPAN("APPEND")) &&
	    take_char(&text, ' ') && text.n > 0 &&
	    (*text.p != '{' || memchr(text.p, '\n', text.n));
}

static enum frame_result
skip_literal(struct frame *f, uint64_t n, bool sync, const char *error)
{
	/* Who waits for "+ " and gets BAD sends nothing of it. */
	if (sync)
		return refuse(f, FRAME_BAD, error);
	if (n > FRAME_SKIP_MAX)
		return refuse(f, FRAME_CLOSE, error);
	f->error = error;
	f->at = FRAME_SKIP_LITERAL;
	f->left = n;
	f->tail_n = 0;
	return FRAME_MORE;
}

enum frame_result
frame_refuse(struct frame *f, const char *error)
{
	keep_tag(f, buf_span(&f->text));
	return skip_literal(f, f->literal_n, f->literal_sync, error);
}

/* A line of the command is whole, without its CRLF. */
static enum frame_result
end_line(struct frame *f)
{
	struct span text = buf_span(&f->text);
	struct span line = { text.p + f->line, text.n - f->line };
	uint64_t n;
	bool sync;

	if (!f->literals || !frame_literal(line, &n, &sync)) {
		f->fresh = true;
		return FRAME_COMMAND;
	}
	if (is_append(text)) {
		f->literal_n = n;
		f->literal_sync = sync;
		return FRAME_APPEND;
	}
	if (++f->literals_n > FRAME_LITERALS_MAX)
		return skip_literal(f, n, sync, "Too many literals");
	/* Room for the CRLF before it, and for more to come. */
	if (n + 2 > buf_room(&f->text))
		return skip_literal(f, n, sync, "Literal is too large");
	buf_put(&f->text, SPAN("\r\n"));
	f->at = FRAME_IN_LITERAL;
	f->left = n;
	f->line = f->text.n + (size_t)n;
	return sync ? FRAME_LITERAL : FRAME_MORE;
}

static struct span
take_front(struct span *in, uint64_t n)
{
	struct span front = { in->p, in->n < n ? in->n : (size_t)n };

	*in = (struct span){ in->p + front.n, in->n - front.n };
	return front;
}

static void
add_to_tail(struct frame *f, char c)
{
	if (f->tail_n == sizeof(f->tail)) {
		memmove(f->tail, f->tail + 1, sizeof(f->tail) - 1);
		f->tail_n--;
	}
	f->tail[f->tail_n++] = c;
}

/* The line does not fit: what is left of it is looked at, and not kept. */
static void
begin_to_skip(struct frame *f, struct span *in)
{
	buf_put(&f->text, take_front(in, buf_room(&f->text)));
	f->at = FRAME_SKIP_LINE;
	f->error = "Command is too long";
	f->tail_n = 0;
	for (size_t i = f->line; i < f->text.n; i++)
		add_to_tail(f, f->text.p[i]);
}

/* Takes up to a CRLF. True: there it is, and ->text has the line. */
static bool
take_line(struct frame *f, struct span *in)
{
	while (in->n > 0) {
		const char *end = memchr(in->p, '\n', in->n);
		struct span text = take_front(in,
		    end ? (size_t)(end - in->p) + 1 : in->n);

		if (text.n > buf_room(&f->text)) {
			*in = (struct span){ text.p, text.n + in->n };
			begin_to_skip(f, in);
			return false;
		}
		buf_put(&f->text, text);
		if (end && f->text.n - f->line >= 2 &&
		    f->text.p[f->text.n - 2] == '\r') {
			f->text.n -= 2;
			return true;
		}
	}
	return false;
}

/* A line that is not kept: its end may announce a literal. */
static enum frame_result
skip_line(struct frame *f, struct span *in)
{
	while (in->n > 0) {
		struct span c = take_front(in, 1);
		struct span line;
		uint64_t n;
		bool sync;

		add_to_tail(f, *c.p);
		line = (struct span){ f->tail, f->tail_n };
		if (*c.p != '\n' || line.n < 2 || line.p[line.n - 2] != '\r')
			continue;
		line.n -= 2;
		if (f->literals && frame_literal(line, &n, &sync))
			return skip_literal(f, n, sync, f->error);
		return refuse(f, FRAME_BAD, f->error);
	}
	return FRAME_MORE;
}

static enum frame_result
take_some(struct frame *f, struct span *in)
{
	struct span piece;

	switch (f->at) {
	case FRAME_IN_LINE:
		return take_line(f, in) ? end_line(f) : FRAME_MORE;
	case FRAME_IN_LITERAL:
	case FRAME_SKIP_LITERAL:
		piece = take_front(in, f->left);
		f->left -= piece.n;
		if (f->at == FRAME_IN_LITERAL)
			buf_put(&f->text, piece);
		if (f->left == 0)
			f->at = f->at == FRAME_IN_LITERAL ? FRAME_IN_LINE
							  : FRAME_SKIP_LINE;
		return FRAME_MORE;
	case FRAME_SKIP_LINE:
		return skip_line(f, in);
	}
	return FRAME_MORE;
}

enum frame_result
frame_feed(struct frame *f, struct span *in)
{
	enum frame_result r = FRAME_MORE;

	if (f->fresh) {
		frame_reset(f);
		f->fresh = false;
	}
	/* A literal of nothing is over before its first byte. */
	while (r == FRAME_MORE && in->n > 0)
		r = take_some(f, in);
	if (r == FRAME_BAD || r == FRAME_CLOSE)
		keep_tag(f, buf_span(&f->text));
	return r;
}
