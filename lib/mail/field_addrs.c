#include "mail/field_addrs.h"

/* A field that is read: copied up to ->copied, looked at up to ->at. */
struct reader {
	struct span in;
	size_t at;
	size_t copied;
	field_addrs_fn *fn;
	void *arg;
	struct buf *out;
};

static void
copy_up_to(struct reader *r, size_t to)
{
	buf_put(r->out, (struct span){ r->in.p + r->copied, to - r->copied });
	r->copied = to;
}

/* Behind a "quoted string", a (comment) or a [literal] that begins here. */
static size_t
skip_enclosed(struct span in, size_t at)
{
	char open = in.p[at];
	char close = open == '(' ? ')' : open == '[' ? ']' : '"';
	unsigned depth = 1;

	for (at++; at < in.n && depth > 0; at++) {
		if (in.p[at] == '\\')
			at++;
		else if (in.p[at] == close)
			depth--;
		else if (open == '(' && in.p[at] == '(')
			depth++;
	}
	return at < in.n ? at : in.n;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
ends_mailbox(char c)
{
	return c == ',' || c == ';' || c == ':';
}

/* Offers what stands between two places, without blanks around it. */
static void
offer(struct reader *r, size_t from, size_t to)
{
	struct buf before = *r->out;

	while (from < to && is_blank(r->in.p[from]))
		from++;
	while (to > from && is_blank(r->in.p[to - 1]))
		to--;
	if (from == to)
		return;
	copy_up_to(r, from);
	before = *r->out;
	if (r->fn((struct span){ r->in.p + from, to - from }, r->out, r->arg))
		r->copied = to;
	else
		*r->out = before;
}

/* "<address>": what is inside. Returns where to go on. */
static size_t
take_angle(struct reader *r, size_t at)
{
	size_t from = at + 1;

	for (at++; at < r->in.n && r->in.p[at] != '>';)
		at = r->in.p[at] == '"' || r->in.p[at] == '['
		    ? skip_enclosed(r->in, at)
		    : at + 1;
	if (at < r->in.n) {
		offer(r, from, at);
		at++;
	}
	return at;
}

/*
 * One mailbox: up to a comma, a semicolon, or the colon of a group's name. It has
 * an address in angles, or it is one itself if no comment stands inside.
 */
static size_t
take_mailbox(struct reader *r, size_t at)
{
	size_t from = at, end = SIZE_MAX;
	bool angle = false, begun = false, broken = false;

	while (at < r->in.n && !ends_mailbox(r->in.p[at])) {
		char c = r->in.p[at];

		if (c == '<') {
			angle = true;
			at = take_angle(r, at);
		} else if (c == '(') {
			/* A comment before the address, or behind it. */
			if (begun && end == SIZE_MAX)
				end = at;
			at = skip_enclosed(r->in, at);
			if (!begun)
				from = at;
		} else {
			begun = begun || !is_blank(c);
			broken = broken || (end != SIZE_MAX && !is_blank(c));
			at = c == '"' || c == '[' ? skip_enclosed(r->in, at)
						  : at + 1;
		}
	}
	if (!angle && !broken && (at == r->in.n || r->in.p[at] != ':'))
		offer(r, from, end == SIZE_MAX ? at : end);
	return at;
}

bool
field_addrs(struct span value, field_addrs_fn *fn, void *arg, struct buf *out)
{
	struct reader r = { .in = value, .fn = fn, .arg = arg, .out = out };

	while (r.at < value.n) {
		r.at = take_mailbox(&r, r.at);
		if (r.at < value.n)
			r.at++;
	}
	copy_up_to(&r, value.n);
	return !out->overflow;
}
