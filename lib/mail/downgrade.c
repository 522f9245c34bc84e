#include "mail/downgrade.h"

enum {
	COLUMN_MAX = 72, /* then a line is broken: 76 with what may follow */
};

static const struct span label = SPAN_INIT("Content-Transfer-Encoding");

static bool
is_labelled(const struct mime_part *p)
{
	return span_ieq(p->encoding, SPAN("8bit")) ||
	    span_ieq(p->encoding, SPAN("binary"));
}

static bool
is_too_deep(const struct mime_part *p)
{
	return p->kind == MIME_OPAQUE && p->depth >= MIME_DEPTH_MAX;
}

/* The part behind `p` in the order of the message; NULL: none. */
static const struct mime_part *
part_after(const struct mime_part *p)
{
	if (p->parts)
		return p->parts;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

/* What is no leaf, and what is opaque, is not encoded. */
static bool
is_encoded(const struct mime_part *p)
{
	return p->kind == MIME_LEAF || p->kind == MIME_TEXT;
}

static void
add_part(struct downgrade_plan *plan, const struct mime_part *p)
{
	bool encodes = is_encoded(p);

	if (!is_labelled(p) || p->kind == MIME_OPAQUE)
		return;
	plan->regions[plan->n++] = (struct downgrade_region){
		.begin = p->head.at,
		.end = p->body.at,
		.is_head = true,
		.encodes = encodes,
	};
	if (encodes && p->end.at > p->body.at)
		plan->regions[plan->n++] = (struct downgrade_region){
			.begin = p->body.at,
			.end = p->end.at,
		};
}

enum downgrade_result
downgrade_plan(const struct mime_part *root, struct arena *arena,
    struct downgrade_plan *plan_r)
{
	size_t n = 0;

	*plan_r = (struct downgrade_plan){ 0 };
	for (const struct mime_part *p = root; p; p = part_after(p), n++)
		if (is_too_deep(p) || n + 1 == MIME_PARTS_MAX)
			return DOWNGRADE_TOO_DEEP;
	plan_r->regions = arena_alloc(arena,
	    (2 * n + 1) * sizeof(*plan_r->regions));
	if (!plan_r->regions || !root)
		return DOWNGRADE_FULL;
	for (const struct mime_part *p = root; p; p = part_after(p))
		add_part(plan_r, p);
	return DOWNGRADE_PLANNED;
}

static void
put_label(struct downgrade *d, struct buf *out)
{
	if (d->labelled)
		return;
	buf_put(out, label);
	buf_put(out,
	    d->plan->regions[d->next].encodes ? SPAN(": quoted-printable\n")
					      : SPAN(": 7bit\n"));
	d->labelled = true;
}

/* The start of a line, whether it is the label's or not, goes on. */
static void
release(struct downgrade *d, struct buf *out)
{
	if (!d->dropping)
		buf_put(out, (struct span){ d->held, d->held_n });
	d->held_n = 0;
	d->in_line = true;
}

/* "Content-Transfer-Encoding", and blanks or the colon behind it. */
static bool
is_label(const struct downgrade *d, char c)
{
	return d->held_n == label.n && (c == ':' || c == ' ' || c == '\t') &&
	    span_ieq((struct span){ d->held, d->held_n }, label);
}

/* A byte of a line's start, which is held until it is known what it is. */
static void
begin_line(struct downgrade *d, char c, struct buf *out)
{
	bool folded = d->held_n == 0 && (c == ' ' || c == '\t');

	if (d->held_n == 0 && !folded)
		d->dropping = false;
	if (is_label(d, c))
		d->dropping = true;
	else if (!folded && c != '\n' && d->held_n < label.n) {
		d->held[d->held_n++] = c;
		return;
	}
	if (d->held_n == 0 && c == '\n') /* the head's end */
		put_label(d, out);
	release(d, out);
	if (!d->dropping)
		buf_put(out, (struct span){ &c, 1 });
	d->in_line = c != '\n';
}

/* To the end of the line, as far as there is room. */
static size_t
pass_line(struct downgrade *d, struct span in, struct buf *out)
{
	const char *end = memchr(in.p, '\n', in.n);
	size_t n = end ? (size_t)(end - in.p) + 1 : in.n;

	if (d->dropping) {
		d->in_line = !end;
		return n;
	}
	if (n > buf_room(out)) {
		n = buf_room(out);
		end = NULL;
	}
	buf_put(out, (struct span){ in.p, n });
	d->in_line = !end;
	return n;
}

static size_t
feed_head(struct downgrade *d, struct span in, struct buf *out)
{
	if (d->in_line)
		return pass_line(d, in, out);
	begin_line(d, *in.p, out);
	return 1;
}

static void
put_encoded(struct downgrade *d, char c, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char b = (unsigned char)c;
	const char coded[3] = { '=', digits[b >> 4], digits[b & 15] };

	if (d->column > COLUMN_MAX) {
		buf_put(out, SPAN("=\n"));
		d->column = 0;
	}
	buf_put(out, (struct span){ coded, sizeof(coded) });
	d->column += sizeof(coded);
}

static void
put_plain(struct downgrade *d, char c, struct buf *out)
{
	if (d->column > COLUMN_MAX) {
		buf_put(out, SPAN("=\n"));
		d->column = 0;
	}
	buf_put(out, (struct span){ &c, 1 });
	d->column++;
}

/* A blank at the end of a line would be lost on the way. */
static void
end_encoded_line(struct downgrade *d, struct buf *out)
{
	if (d->blank)
		put_encoded(d, d->blank, out);
	d->blank = '\0';
	d->column = 0;
}

static size_t
feed_body(struct downgrade *d, struct span in, struct buf *out)
{
	size_t i = 0;

	for (; i < in.n && buf_room(out) >= DOWNGRADE_ROOM; i++) {
		char c = in.p[i];

		if (c == '\n') {
			end_encoded_line(d, out);
			buf_put(out, SPAN("\n"));
			continue;
		}
		if (d->blank)
			put_plain(d, d->blank, out);
		d->blank = '\0';
		if (c == ' ' || c == '\t')
			d->blank = c;
		else if (c < ' ' || c > '~' || c == '=')
			put_encoded(d, c, out);
		else
			put_plain(d, c, out);
	}
	return i;
}

static void
enter_region(struct downgrade *d)
{
	d->inside = true;
	d->in_line = d->dropping = d->labelled = false;
	d->held_n = d->column = 0;
	d->blank = '\0';
}

/* A head without an empty line behind it has its label there, too. */
static void
leave_region(struct downgrade *d, struct buf *out)
{
	const struct downgrade_region *r = &d->plan->regions[d->next];

	if (r->is_head && d->held_n > 0)
		release(d, out);
	if (r->is_head && !d->labelled) {
		if (d->in_line && !d->dropping)
			buf_put(out, SPAN("\n"));
		put_label(d, out);
	}
	if (!r->is_head)
		end_encoded_line(d, out);
	d->inside = false;
	d->next++;
}

/* Up to where the next region begins, or this one ends. */
static struct span
take_front(const struct downgrade *d, struct span in)
{
	const struct downgrade_region *r = &d->plan->regions[d->next];
	uint64_t left;

	if (d->next == d->plan->n)
		return in;
	left = (d->inside ? r->end : r->begin) - d->at;
	return (struct span){ in.p, in.n < left ? in.n : (size_t)left };
}

static size_t
feed_front(struct downgrade *d, struct span front, struct buf *out)
{
	if (!d->inside) {
		if (front.n > buf_room(out))
			front.n = buf_room(out);
		buf_put(out, front);
		return front.n;
	}
	return d->plan->regions[d->next].is_head ? feed_head(d, front, out)
						 : feed_body(d, front, out);
}

/* Goes into regions, and out of them, that begin or end here. */
static void
cross(struct downgrade *d, struct buf *out)
{
	const struct downgrade_region *r = &d->plan->regions[d->next];

	while (d->next < d->plan->n && buf_room(out) >= DOWNGRADE_ROOM) {
		r = &d->plan->regions[d->next];
		if (!d->inside && r->begin == d->at)
			enter_region(d);
		if (!d->inside || r->end != d->at)
			return;
		leave_region(d, out);
	}
}

void
downgrade_feed(struct downgrade *d, struct span *in, struct buf *out)
{
	while (in->n > 0) {
		size_t n;

		cross(d, out);
		if (buf_room(out) < DOWNGRADE_ROOM)
			return;
		n = feed_front(d, take_front(d, *in), out);
		d->at += n;
		in->p += n;
		in->n -= n;
	}
}

void
downgrade_end(struct downgrade *d, struct buf *out)
{
	if (d->inside)
		leave_region(d, out);
}
