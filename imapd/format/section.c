#include "imapd/format/section.h"

/* The part whose head and text a section with these numbers means. */
static const struct mime_part *
message_of(const struct mime_part *part, const struct imap_fetch *item)
{
	if (item->numbers_n == 0)
		return part;
	return part->kind == MIME_MESSAGE ? part->parts : NULL;
}

bool
section_find(struct mime_part *root, const struct imap_fetch *item,
    struct section_range *range_r)
{
	const struct mime_part *part = mime_find(root, item->numbers,
	    item->numbers_n);
	const struct mime_part *message = part ? message_of(part, item) : NULL;

	if (!part)
		return false;
	switch (item->section) {
	case SECTION_ALL:
		*range_r = (struct section_range){ item->numbers_n ? part->body
								   : part->head,
			part->end };
		return true;
	case SECTION_MIME:
		*range_r = (struct section_range){ part->head, part->body };
		return true;
	case SECTION_HEADER:
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		if (message)
			*range_r = (struct section_range){ message->head,
				message->body };
		return message;
	case SECTION_TEXT:
		if (message)
			*range_r = (struct section_range){ message->body,
				message->end };
		return message;
	}
	return false;
}

uint64_t
section_size(const struct imap_fetch *item, uint64_t size)
{
	uint64_t left;

	if (!item->partial)
		return size;
	left = size > item->first ? size - item->first : 0;
	return left < item->count ? left : item->count;
}

void
wire_init(struct wire *w, struct out *out, const struct imap_fetch *item)
{
	*w = (struct wire){ .out = out, .item = item };
}

void
wire_resume(struct wire *w, struct out *out, const struct imap_fetch *item,
    const struct section_mark *mark)
{
	wire_init(w, out, item);
	w->size = mark->size;
	w->cr = mark->cr;
}

static bool
has_filter(const struct imap_fetch *item)
{
	return item->section == SECTION_FIELDS ||
	    item->section == SECTION_FIELDS_NOT;
}

static bool
is_filtered(const struct wire *w)
{
	return has_filter(w->item);
}

bool
section_is_marked(const struct imap_fetch *item)
{
	return item->partial && !has_filter(item) &&
	    item->numbers_n <= SECTION_MARK_DEPTH;
}

bool
section_has_mark(const struct section_mark *mark, uint32_t uid,
    const struct imap_fetch *item)
{
	if (mark->uid != uid || !section_is_marked(item) ||
	    mark->section != item->section ||
	    mark->numbers_n != item->numbers_n)
		return false;
	for (size_t i = 0; i < item->numbers_n; i++)
		if (mark->numbers[i] != item->numbers[i])
			return false;
	return true;
}

void
section_begin_mark(struct section_mark *mark, uint32_t uid,
    const struct imap_fetch *item, uint64_t from, uint64_t to, uint64_t wire)
{
	*mark = (struct section_mark){
		.uid = uid,
		.section = item->section,
		.numbers_n = item->numbers_n,
		.from = from,
		.to = to,
		.wire = wire,
		.at = from,
	};
	for (size_t i = 0; i < item->numbers_n; i++)
		mark->numbers[i] = item->numbers[i];
}

/* Bytes as they go on the wire: what was asked for of them. */
static void
put(struct wire *w, struct span text)
{
	uint64_t first = w->item->partial ? w->item->first : 0;
	uint64_t end = w->item->partial ? first + w->item->count : UINT64_MAX;
	uint64_t from = w->size < first ? first - w->size : 0;
	uint64_t to = w->size >= end ? 0 : end - w->size;

	w->size += text.n;
	if (to > text.n)
		to = text.n;
	if (from >= to)
		return;
	w->sent += to - from;
	if (w->out)
		out_put(w->out,
		    (struct span){ text.p + from, (size_t)(to - from) });
}

static void
put_newline(struct wire *w)
{
	if (!w->cr)
		put(w, SPAN("\r"));
	put(w, SPAN("\n"));
	w->cr = false;
}

/* Text without LF. */
static void
put_text(struct wire *w, struct span text)
{
	if (text.n > 0)
		w->cr = text.p[text.n - 1] == '\r';
	while (text.n > 0) {
		struct span all = text;
		struct span plain = span_cut(&text, '\0');

		put(w, plain);
		if (plain.n < all.n)
			put(w, SPAN("\x80"));
	}
}

/* Whether the field whose name is held goes out. */
static bool
is_wanted(const struct wire *w)
{
	struct span name = { w->name, w->name_n };
	bool listed = false;

	while (name.n > 0 &&
	    (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	for (size_t i = 0; i < w->item->fields_n; i++)
		listed |= span_ieq(name, w->item->fields[i]);
	return listed == (w->item->section == SECTION_FIELDS);
}

/* The name is whole, or there is none: its line goes on, or not at all. */
static void
end_name(struct wire *w)
{
	w->keep = is_wanted(w);
	w->in_line = true;
	if (w->keep)
		put_text(w, (struct span){ w->name, w->name_n });
	w->name_n = 0;
}

/* A byte of a head of which some fields go out. */
static void
filter(struct wire *w, char c)
{
	if (w->over)
		return;
	if (!w->in_line && w->name_n == 0 && (c == ' ' || c == '\t'))
		w->in_line = true; /* goes on as the field before it */
	if (!w->in_line && c == '\n' &&
	    (w->name_n == 0 || (w->name_n == 1 && w->name[0] == '\r'))) {
		w->over = true;
		w->name_n = 0;
		return;
	}
	if (!w->in_line && c != ':' && c != '\n' &&
	    w->name_n < sizeof(w->name)) {
		w->name[w->name_n++] = c;
		return;
	}
	if (!w->in_line)
		end_name(w);
	if (w->keep && c == '\n')
		put_newline(w);
	else if (w->keep)
		put_text(w, (struct span){ &c, 1 });
	if (c == '\n')
		w->in_line = false;
}

void
wire_feed(struct wire *w, struct span piece)
{
	if (is_filtered(w)) {
		for (size_t i = 0; i < piece.n; i++)
			filter(w, piece.p[i]);
		return;
	}
	while (piece.n > 0) {
		struct span all = piece;
		struct span line = span_cut(&piece, '\n');

		put_text(w, line);
		if (line.n < all.n)
			put_newline(w);
	}
}

void
wire_end(struct wire *w)
{
	if (!is_filtered(w))
		return;
	if (!w->over && !w->in_line && w->name_n > 0)
		end_name(w);
	if (w->in_line && w->keep)
		put_newline(w);
	/* The empty line is there if the message has it (RFC 3501, 6.4.5). */
	w->cr = false;
	if (w->over)
		put_newline(w);
}
