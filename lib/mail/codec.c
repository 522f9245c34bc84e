#include "mail/codec.h"

#include "base/scan.h"

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static void
put_char(struct buf *out, char c)
{
	buf_put(out, (struct span){ &c, 1 });
}

/* Puts the bytes that are whole: of 4 letters 3, of 3 letters 2. */
static void
put_bits(struct base64 *b, struct buf *out)
{
	uint32_t bits = b->bits << (4 - b->n) * 6;

	for (unsigned i = 0; i + 1 < b->n; i++)
		put_char(out, (char)(bits >> (16 - 8 * i) & 0xff));
	b->bits = 0;
	b->n = 0;
}

void
base64_feed(struct base64 *b, struct span *in, struct buf *out)
{
	while (in->n > 0 && buf_room(out) >= 3) {
		char c = *in->p;
		int value = base64_value(c);

		*in = (struct span){ in->p + 1, in->n - 1 };
		if (value >= 0) {
			b->over = false;
			b->bits = b->bits << 6 | (uint32_t)value;
			b->n++;
		}
		/* Padding ends a group; another text may follow. */
		if (b->n == 4 || (c == '=' && b->n > 0))
			put_bits(b, out);
	}
}

static void
put_held(struct qp *q, struct buf *out)
{
	buf_put(out, (struct span){ q->held, q->held_n });
	q->held_n = 0;
}

/* What is held begins with "=": true if `c` went with it. */
static bool
go_on_with_escape(struct qp *q, char c, struct buf *out)
{
	bool has_cr = q->held[q->held_n - 1] == '\r';

	if (c == '\n' && (q->held_n == 1 || has_cr)) {
		q->held_n = 0; /* a soft line break */
		return true;
	}
	if (q->held_n == 1 && (c == '\r' || hex_value(c) >= 0)) {
		q->held[q->held_n++] = c;
		return true;
	}
	if (q->held_n == 2 && !has_cr && hex_value(c) >= 0) {
		put_char(out,
		    (char)(hex_value(q->held[1]) << 4 | hex_value(c)));
		q->held_n = 0;
		return true;
	}
	put_held(q, out);
	return false;
}

static void
take_qp(struct qp *q, char c, struct buf *out)
{
	if (q->held_n > 0 && q->held[0] == '=' && go_on_with_escape(q, c, out))
		return;
	if (c == '=') {
		put_held(q, out);
		q->held[q->held_n++] = c;
		return;
	}
	if (q->word) {
		put_char(out, c == '_' ? ' ' : c);
		return;
	}
	/* Blanks at the end of a line came from a transport. */
	if (c == ' ' || c == '\t' || c == '\r') {
		if (q->held_n == sizeof(q->held))
			put_held(q, out);
		q->held[q->held_n++] = c;
		return;
	}
	if (c == '\n' && q->held_n > 0) {
		bool crlf = q->held[q->held_n - 1] == '\r';

		q->held_n = 0;
		if (crlf)
			put_char(out, '\r');
	}
	put_held(q, out);
	put_char(out, c);
}

void
qp_feed(struct qp *q, struct span *in, struct buf *out)
{
	while (in->n > 0 && buf_room(out) >= sizeof(q->held) + 2) {
		take_qp(q, *in->p, out);
		*in = (struct span){ in->p + 1, in->n - 1 };
	}
}

void
qp_end(struct qp *q, struct buf *out)
{
	if (q->held_n > 0 && q->held[0] != ' ' && q->held[0] != '\t')
		put_held(q, out);
	q->held_n = 0;
}
