#include "queue/drop.h"

#include "base/scan.h"

static uint32_t
load(const char *p)
{
	uint32_t n = 0;

	for (int i = 3; i >= 0; i--)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

static bool
is_one_line(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	return true;
}

/* What a record of this type may have. */
static bool
is_length(char type, size_t n)
{
	switch ((enum drop_type)type) {
	case DROP_SENDER:
	case DROP_NAME:
	case DROP_ENVID:
		return n <= DROP_TEXT_MAX;
	case DROP_RCPT:
		return n > 0 && n <= DROP_TEXT_MAX;
	case DROP_RET:
	case DROP_TRACE:
	case DROP_NOTIFY:
		return n > 0 && n <= 2;
	case DROP_CONTENT:
		return n > 0 && n <= DROP_CONTENT_MAX;
	case DROP_8BIT:
	case DROP_END:
		return n == 0;
	}
	return false;
}

unsigned
drop_number(struct span text, unsigned max)
{
	uint64_t n;

	return take_number(&text, max, &n) && text.n == 0 ? (unsigned)n : 0;
}

static bool
is_allowed(struct drop_scan *s, const struct drop_record *r)
{
	switch (r->type) {
	case DROP_RET:
	case DROP_TRACE:
		return drop_number(r->text, 2) != 0;
	case DROP_NOTIFY:
		/* NEVER stands alone (RFC 3461, section 4.1). */
		return drop_number(r->text, 15) == 1 ||
		    (drop_number(r->text, 15) != 0 &&
			drop_number(r->text, 15) % 2 == 0);
	case DROP_RCPT:
		return ++s->rcpts <= DROP_RCPTS_MAX;
	case DROP_CONTENT:
		s->has_content = true;
		return true;
	case DROP_END:
		s->ended = true;
		return true;
	case DROP_SENDER:
	case DROP_NAME:
	case DROP_ENVID:
	case DROP_8BIT:
		return true;
	}
	return false;
}

/* The magic, as far as it is there. */
static enum drop_result
take_magic(struct drop_scan *s, struct span *in)
{
	static const struct span magic = SPAN_INIT(DROP_MAGIC);
	size_t n = in->n < magic.n ? in->n : magic.n;

	if (n > 0 && memcmp(in->p, magic.p, n) != 0)
		return DROP_BAD;
	if (n < magic.n)
		return DROP_MORE;
	in->p += n;
	in->n -= n;
	s->begun = true;
	return DROP_TAKEN;
}

enum drop_result
drop_take(struct drop_scan *s, struct span *in, struct drop_record *record_r)
{
	struct drop_record r;
	size_t n;

	if (!s->begun) {
		enum drop_result magic = take_magic(s, in);

		if (magic != DROP_TAKEN)
			return magic;
	}
	if (s->ended)
		return in->n > 0 ? DROP_BAD : DROP_OVER;
	if (in->n == 0)
		return DROP_MORE;
	if (!is_length(in->p[0], 0) && !is_length(in->p[0], 1))
		return DROP_BAD; /* no such type */
	if (in->n < DROP_HEAD)
		return DROP_MORE;
	n = load(in->p + 1);
	if (!is_length(in->p[0], n))
		return DROP_BAD;
	if (in->n - DROP_HEAD < n)
		return DROP_MORE;
	r.type = (enum drop_type)in->p[0];
	r.text = (struct span){ in->p + DROP_HEAD, n };
	if ((r.type != DROP_CONTENT && !is_one_line(r.text)) ||
	    !is_allowed(s, &r))
		return DROP_BAD;
	in->p += DROP_HEAD + n;
	in->n -= DROP_HEAD + n;
	*record_r = r;
	return DROP_TAKEN;
}

void
drop_put(struct buf *out, enum drop_type type, struct span text)
{
	char head[DROP_HEAD] = {
		(char)type,
		(char)(text.n & 0xff),
		(char)(text.n >> 8 & 0xff),
		(char)(text.n >> 16 & 0xff),
		(char)(text.n >> 24 & 0xff),
	};

	buf_put(out, (struct span){ head, sizeof(head) });
	buf_put(out, text);
}
