#include "mail/header.h"

#include <stdlib.h>

static bool
put(struct header_scan *h, struct span piece)
{
	if (!h->failed && piece.n > 0 && !h->put(piece, h->arg))
		h->failed = true;
	return !h->failed;
}

static struct span
held(const struct header_scan *h)
{
	return (struct span){ h->held, h->held_n };
}

static struct span
take_front(struct span *in, size_t n)
{
	struct span front = { in->p, n };

	in->p += n;
	in->n -= n;
	return front;
}

/* Keeps the value of a Message-ID, folded or not, without its ends. */
static void
keep_id(struct header_scan *h, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '\n' || c == '\r' ||
		    (h->id_n == 0 && (c == ' ' || c == '\t')))
			continue;
		if (h->id_n < sizeof(h->id))
			h->id[h->id_n++] = c;
	}
}

static unsigned
bit_of(struct span name)
{
	static const struct {
		struct span name;
		unsigned bit;
	} rows[] = {
		{ SPAN_INIT("Message-ID"), HEADER_HAS_ID },
		{ SPAN_INIT("Date"), HEADER_HAS_DATE },
		{ SPAN_INIT("From"), HEADER_HAS_FROM },
		{ SPAN_INIT("Resent-Message-ID"), HEADER_HAS_RESENT_ID },
		{ SPAN_INIT("Resent-Date"), HEADER_HAS_RESENT_DATE },
		{ SPAN_INIT("Resent-From"), HEADER_HAS_RESENT_FROM },
	};
	unsigned bit = 0;

	if (name.n > 7 && span_ieq((struct span){ name.p, 7 }, SPAN("Resent-")))
		bit = HEADER_HAS_RESENT;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(name, rows[i].name))
			bit |= rows[i].bit;
	return bit;
}

enum {
	FIELD_ROOM = 1024, /* of a field that is kept, to begin with */
};

static struct span
without_colon(struct span name)
{
	name.n--;
	while (name.n > 0 &&
	    (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	return name;
}

/* A wanted field has ended, or is too long to be looked at. */
static void
end_whole(struct header_scan *h)
{
	struct span text = buf_span(&h->text);
	struct span name = { text.p, h->name_n };
	struct span value = { text.p + h->name_n, text.n - h->name_n };

	if (!h->whole)
		return;
	h->whole = false;
	put(h, name);
	if (h->field(without_colon(name), value, &value, h->arg))
		put(h, value);
	else
		put(h, (struct span){ text.p + h->name_n, text.n - h->name_n });
	buf_drop(&h->text, h->text.n);
}

/* Makes room in the field that is kept. False: it would be too long. */
static bool
make_room(struct header_scan *h, size_t n)
{
	struct buf more;
	size_t max = h->text.max ? h->text.max : FIELD_ROOM;

	if (n <= buf_room(&h->text))
		return true;
	while (max < h->text.n + n && max < HEADER_FIELD_MAX)
		max *= 2;
	if (max > HEADER_FIELD_MAX)
		max = HEADER_FIELD_MAX;
	if (h->text.n + n > max)
		return false;
	buf_init(&more, zalloc(max), max);
	buf_put(&more, buf_span(&h->text));
	free(h->text.storage);
	h->text = more;
	return true;
}

/* Keeps a part of the field, as long as there is room for it. */
static void
put_in_field(struct header_scan *h, struct span text)
{
	if (h->whole && !make_room(h, text.n)) {
		h->whole = false;
		put(h, buf_span(&h->text));
		buf_drop(&h->text, h->text.n);
	}
	if (h->whole)
		buf_put(&h->text, text);
	else
		put(h, text);
}

static void
begin_whole(struct header_scan *h, struct span name)
{
	if (!h->wants || !h->wants(name, h->arg))
		return;
	h->whole = true;
	h->name_n = h->held_n;
}

void
header_scan_fini(struct header_scan *h)
{
	free(h->text.storage);
	h->text.storage = NULL;
}

/* A field begins, whose name and colon are held. */
static void
begin_field(struct header_scan *h)
{
	struct span name = held(h);

	end_whole(h);
	name = without_colon(name);
	if (span_ieq(name, SPAN("Received")))
		h->received++;
	h->has |= bit_of(name);
	h->in_id = span_ieq(name, SPAN("Message-ID")) && h->id_n == 0;
	h->any = true;
	h->at = HEADER_INSIDE;
	begin_whole(h, name);
	put_in_field(h, held(h));
	h->held_n = 0;
}

/* The line that is held is no field: here the body begins. */
static void
begin_body(struct header_scan *h, bool add_line)
{
	end_whole(h);
	while (h->id_n > 0 &&
	    (h->id[h->id_n - 1] == ' ' || h->id[h->id_n - 1] == '\t'))
		h->id_n--;
	h->at = HEADER_BODY;
	if (h->end)
		h->end(h);
	if (add_line)
		put(h, SPAN("\n"));
	put(h, held(h));
	h->held_n = 0;
}

/* The rest of a field's line. */
static void
take_field(struct header_scan *h, struct span *piece)
{
	const char *end = memchr(piece->p, '\n', piece->n);
	struct span text = take_front(piece,
	    end ? (size_t)(end - piece->p) + 1 : piece->n);

	if (h->in_id)
		keep_id(h, text);
	put_in_field(h, text);
	if (end)
		h->at = HEADER_LINE;
}

/* Whether the name of a field may go on with `c` after what is held. */
static bool
is_name(const struct header_scan *h, char c)
{
	char last = h->held_n ? h->held[h->held_n - 1] : 'a';

	if (c == ' ' || c == '\t')
		return h->held_n > 0;
	/* After a blank only the colon comes. */
	return c > ' ' && c < 0x7f && last != ' ' && last != '\t';
}

/* "From x Sat Nov 21 ...", maybe behind '>', as it stands before a mail in mbox. */
static bool
is_mailbox_line(const struct header_scan *h)
{
	struct span s = held(h);

	while (s.n > 0 && *s.p == '>')
		take_front(&s, 1);
	return !h->any && span_eq(s, SPAN("From "));
}

/* The line that is held is no field: it is made one, or ends the head. */
static void
take_odd_line(struct header_scan *h)
{
	if (!is_mailbox_line(h)) {
		begin_body(h, true);
		return;
	}
	put(h, SPAN("Mailbox-Line: "));
	put(h, held(h));
	h->held_n = 0;
	h->at = HEADER_INSIDE;
}

static void
take_char_of_line(struct header_scan *h, struct span *piece)
{
	char c = *piece->p;

	/* A line that begins with a blank goes on with a field. */
	if (h->held_n == 0 && (c == ' ' || c == '\t') && h->any) {
		h->at = HEADER_INSIDE;
		return;
	}
	if (h->held_n == 0 && c == '\n') {
		begin_body(h, false);
		return;
	}
	if (c == ':' ? h->held_n == 0 : !is_name(h, c)) {
		take_odd_line(h);
		return;
	}
	if (h->held_n == sizeof(h->held)) {
		begin_body(h, true);
		return;
	}
	h->held[h->held_n++] = c;
	take_front(piece, 1);
	if (c == ':')
		begin_field(h);
}

bool
header_scan_feed(struct header_scan *h, struct span piece)
{
	while (piece.n > 0 && h->at != HEADER_BODY)
		if (h->at == HEADER_INSIDE)
			take_field(h, &piece);
		else
			take_char_of_line(h, &piece);
	return put(h, piece);
}

void
header_scan_add(struct header_scan *h, struct span fields)
{
	put(h, fields);
}

bool
header_scan_end(struct header_scan *h)
{
	if (h->at == HEADER_LINE)
		begin_body(h, h->held_n > 0);
	end_whole(h);
	return !h->failed;
}
