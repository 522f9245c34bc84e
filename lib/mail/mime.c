#include "mail/mime.h"

#include <stdlib.h>

enum {
	/* What is held of a line: two dashes, a boundary, and two more. */
	HELD_MAX = MIME_BOUNDARY_MAX + 4,
};

/* A multipart whose boundary may still come. */
struct open {
	struct mime_part *part;
	struct span boundary;
};

struct mime_parser {
	struct arena *arena;
	struct mime_part *root;
	struct mime_part *at; /* the innermost part that is not over */
	unsigned parts_n;
	bool full; /* the arena had no room for a part */
	struct open open[MIME_DEPTH_MAX + 1];
	size_t open_n;

	bool in_head;
	bool in_line;
	bool cr; /* the last byte was one */
	struct mime_place here;
	struct mime_place line; /* where this line began */
	struct mime_place before; /* before the last end of a line */
	size_t held_n;
	char held[HELD_MAX];
	char *lists[MIME_ENVELOPE_N]; /* where those of this head lie */
	size_t field_n;
	char field[MIME_FIELD_MAX + 2];
};

static const struct span envelope_names[MIME_ENVELOPE_N] = {
	[MIME_DATE] = SPAN_INIT("Date"),
	[MIME_SUBJECT] = SPAN_INIT("Subject"),
	[MIME_FROM] = SPAN_INIT("From"),
	[MIME_SENDER] = SPAN_INIT("Sender"),
	[MIME_REPLY_TO] = SPAN_INIT("Reply-To"),
	[MIME_TO] = SPAN_INIT("To"),
	[MIME_CC] = SPAN_INIT("Cc"),
	[MIME_BCC] = SPAN_INIT("Bcc"),
	[MIME_IN_REPLY_TO] = SPAN_INIT("In-Reply-To"),
	[MIME_MESSAGE_ID] = SPAN_INIT("Message-ID"),
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = (struct span){ s.p + 1, s.n - 1 };
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* A copy in the arena, or none if that is full. */
static struct span
keep(struct mime_parser *m, struct span s)
{
	char *copy = arena_dup(m->arena, s);

	return (struct span){ copy, copy ? s.n : 0 };
}

static void
keep_first(struct mime_parser *m, struct span *to, struct span value)
{
	if (!to->p && value.n > 0)
		*to = keep(m, value);
}

/* type "/" subtype *(";" parameter); half a type is none: RFC 2045, 5.2. */
static void
read_type(struct mime_parser *m, struct mime_part *part, struct span value)
{
	struct span type, subtype;

	value = keep(m, value);
	if (part->type.p || !mime_take_token(&value, &type))
		return;
	mime_skip_cfws(&value);
	if (value.n == 0 || *value.p != '/')
		return;
	value = (struct span){ value.p + 1, value.n - 1 };
	if (!mime_take_token(&value, &subtype))
		return;
	part->type = type;
	part->subtype = subtype;
	part->params = mime_params(value, m->arena);
}

static void
read_disposition(struct mime_parser *m, struct mime_part *part,
    struct span value)
{
	value = keep(m, value);
	if (part->disposition.p || !mime_take_token(&value, &part->disposition))
		return;
	part->disposition_params = mime_params(value, m->arena);
}

static void
read_encoding(struct mime_parser *m, struct mime_part *part, struct span value)
{
	value = keep(m, value);
	if (!part->encoding.p)
		(void)!mime_take_token(&value, &part->encoding);
}

static void
read_content(struct mime_parser *m, struct span name, struct span value)
{
	struct mime_part *part = m->at;

	if (span_ieq(name, SPAN("Content-Type")))
		read_type(m, part, value);
	else if (span_ieq(name, SPAN("Content-Disposition")))
		read_disposition(m, part, value);
	else if (span_ieq(name, SPAN("Content-Transfer-Encoding")))
		read_encoding(m, part, value);
	else if (span_ieq(name, SPAN("Content-ID")))
		keep_first(m, &part->id, value);
	else if (span_ieq(name, SPAN("Content-Description")))
		keep_first(m, &part->description, value);
	else if (span_ieq(name, SPAN("Content-MD5")))
		keep_first(m, &part->md5, value);
	else if (span_ieq(name, SPAN("Content-Location")))
		keep_first(m, &part->location, value);
	else if (span_ieq(name, SPAN("Content-Language")) && !part->languages)
		part->languages = mime_list(keep(m, value), m->arena);
}

/* Room that is taken for a list of `n` bytes, so that it grows in few steps. */
static size_t
list_room(size_t n)
{
	size_t room = 64;

	while (room < n)
		room *= 2;
	return room;
}

/* Lists of addresses that came in several fields are one. */
static void
add_to_list(struct mime_parser *m, struct span *list, struct span value)
{
	size_t n = list->n + (list->n ? 2 : 0) + value.n;
	char *text;

	if (n > MIME_FIELD_MAX)
		return;
	text = list->p && list_room(n) == list_room(list->n)
	    ? m->lists[list - m->at->envelope->fields]
	    : arena_alloc(m->arena, list_room(n));
	if (!text)
		return;
	if (list->n && text != list->p)
		memcpy(text, list->p, list->n);
	if (list->n)
		memcpy(text + list->n, ", ", 2);
	if (value.n)
		memcpy(text + n - value.n, value.p, value.n);
	m->lists[list - m->at->envelope->fields] = text;
	*list = (struct span){ text, n };
}

static void
read_envelope(struct mime_parser *m, struct span name, struct span value)
{
	for (size_t i = 0; i < MIME_ENVELOPE_N; i++) {
		struct span *to = &m->at->envelope->fields[i];

		if (!span_ieq(name, envelope_names[i]))
			continue;
		if (i >= MIME_FROM && i <= MIME_BCC)
			add_to_list(m, to, value);
		else if (!to->p)
			*to = keep(m, value);
	}
}

/* The field that is held is whole. */
static void
end_field(struct mime_parser *m)
{
	struct span value = { m->field, m->field_n };
	struct span name = span_cut(&value, ':');

	m->field_n = 0;
	name = trim(name);
	if (value.p == name.p || name.n > sizeof("Content-Transfer-Encoding"))
		return;
	value = trim(value);
	if (name.n > 8 &&
	    span_ieq((struct span){ name.p, 8 }, SPAN("Content-"))) {
		read_content(m, name, value);
		return;
	}
	if (m->at->envelope)
		read_envelope(m, name, value);
}

/* A new part in `parent` begins here. False: a bound was reached. */
static bool
begin_part(struct mime_parser *m, struct mime_part *parent)
{
	bool is_message = !parent || parent->kind == MIME_MESSAGE;
	struct mime_part *part, **link;

	if (m->full || m->parts_n == MIME_PARTS_MAX)
		return false;
	part = ARENA_NEW(m->arena, struct mime_part);
	if (part && is_message)
		part->envelope = ARENA_NEW(m->arena, struct mime_envelope);
	/* After a part that is left out none may follow. */
	m->full = !part || (is_message && !part->envelope);
	if (m->full)
		return false;
	m->parts_n++;
	part->parent = parent;
	part->depth = parent ? parent->depth + 1 : 0;
	part->head = m->here;
	if (parent) {
		/* The last one is behind ->at, which is in `parent`. */
		link = &parent->parts;
		if (m->at != parent && m->at->parent == parent)
			link = &m->at->next;
		*link = part;
		parent->parts_n++;
	}
	m->at = part;
	m->in_head = true;
	return true;
}

static bool
is_digest(const struct mime_part *part)
{
	return part && part->kind == MIME_MULTIPART &&
	    span_ieq(part->subtype, SPAN("digest"));
}

static void
open_multipart(struct mime_parser *m, struct mime_part *part)
{
	struct span b = trim(mime_param_find(part->params, SPAN("boundary")));

	part->kind = MIME_OPAQUE;
	if (b.n == 0 || b.n > MIME_BOUNDARY_MAX ||
	    part->depth >= MIME_DEPTH_MAX)
		return;
	part->kind = MIME_MULTIPART;
	m->open[m->open_n++] = (struct open){ part, b };
}

static void
open_message(struct mime_parser *m, struct mime_part *part)
{
	part->kind = MIME_MESSAGE;
	if (part->depth >= MIME_DEPTH_MAX || !begin_part(m, part))
		part->kind = MIME_OPAQUE;
}

/* The body of a part begins here. */
static void
end_head(struct mime_parser *m)
{
	struct mime_part *part = m->at;

	m->in_head = false;
	part->body = m->here;
	if (!part->type.p && is_digest(part->parent)) {
		part->type = SPAN("message");
		part->subtype = SPAN("rfc822");
	} else if (!part->type.p) {
		part->type = SPAN("text");
		part->subtype = SPAN("plain");
	}
	if (span_ieq(part->type, SPAN("multipart")))
		open_multipart(m, part);
	else if (span_ieq(part->type, SPAN("message")) &&
	    span_ieq(part->subtype, SPAN("rfc822")))
		open_message(m, part);
	else if (span_ieq(part->type, SPAN("text")))
		part->kind = MIME_TEXT;
}

/*
 * Ends the parts within `outer`, all if it is NULL, at `end`: none before its
 * body begins. Leaves the last of them in ->at, for the next one's sake.
 */
static void
end_parts(struct mime_parser *m, struct mime_part *outer, struct mime_place end)
{
	for (struct mime_part *p = m->at; p != outer; p = p->parent) {
		if (end.at < p->body.at)
			end = p->body;
		p->end = end;
		m->at = p;
	}
}

/*
 * The open multipart whose boundary this line begins with, the longest one: a
 * whole line need not match (RFC 2046, 5.1.1). NULL: none.
 */
static struct open *
find_boundary(struct mime_parser *m, bool *final_r)
{
	struct span line = { m->held, m->held_n };
	struct open *found = NULL;

	if (line.n < 2 || memcmp(line.p, "--", 2) != 0)
		return NULL;
	line = (struct span){ line.p + 2, line.n - 2 };
	for (size_t i = m->open_n; i > 0; i--) {
		struct span b = m->open[i - 1].boundary;

		if (b.n <= line.n && memcmp(b.p, line.p, b.n) == 0 &&
		    (!found || b.n > found->boundary.n))
			found = &m->open[i - 1];
	}
	if (found) {
		size_t n = found->boundary.n;

		*final_r = line.n >= n + 2 && memcmp(line.p + n, "--", 2) == 0;
	}
	return found;
}

/* The line that just ended is a boundary of `open`. */
static void
take_boundary(struct mime_parser *m, struct open *open, bool final)
{
	struct mime_part *part = open->part;
	struct mime_place here = m->here;

	if (m->in_head) {
		/* The field that the line seemed to be. */
		m->field_n = 0;
		m->here = m->line;
		while (m->in_head)
			end_head(m);
		m->here = here;
	}
	end_parts(m, part, m->before);
	m->in_head = false;
	m->open_n = (size_t)(open - m->open) + (final ? 0 : 1);
	if (final || !begin_part(m, part))
		m->at = part;
}

static void
end_line(struct mime_parser *m)
{
	bool final = false;
	struct open *open = find_boundary(m, &final);
	bool empty = m->held_n == 0 || (m->held_n == 1 && m->held[0] == '\r');

	m->in_line = false;
	if (open)
		take_boundary(m, open, final);
	else if (m->in_head && empty)
		end_head(m);
	m->held_n = 0;
}

static void
hold(struct mime_parser *m, struct span text)
{
	size_t room = sizeof(m->held) - m->held_n;
	size_t n = text.n < room ? text.n : room;

	if (n > 0)
		memcpy(m->held + m->held_n, text.p, n);
	m->held_n += n;
}

/* What a line of a head adds to its field. */
static void
add_to_field(struct mime_parser *m, struct span text, bool ended)
{
	size_t room = sizeof(m->field) - m->field_n;
	size_t n = text.n < room ? text.n : room;

	if (n > 0)
		memcpy(m->field + m->field_n, text.p, n);
	m->field_n += n;
	if (ended && m->field_n > 0 && m->field[m->field_n - 1] == '\r')
		m->field_n--;
}

static void
begin_line(struct mime_parser *m, char first)
{
	m->in_line = true;
	m->line = m->here;
	m->cr = false;
	if (m->in_head && !is_blank(first))
		end_field(m);
}

/* Text of one line, without its LF. */
static void
take_text(struct mime_parser *m, struct span text, bool ended)
{
	if (m->in_head)
		add_to_field(m, text, ended);
	/* Of a line that is no boundary, the first byte says so. */
	if (m->in_head ||
	    (m->held_n ? m->held[0] == '-' : text.n > 0 && *text.p == '-'))
		hold(m, text);
	else if (m->held_n == 0 && text.n > 0)
		hold(m, (struct span){ text.p, 1 });
	if (text.n > 0)
		m->cr = text.p[text.n - 1] == '\r';
	m->here.at += text.n;
	m->here.wire += text.n;
}

static void
count_newline(struct mime_parser *m)
{
	m->before = m->here;
	if (m->cr) {
		m->before.at--;
		m->before.wire--;
	}
	m->here.at++;
	m->here.wire = m->before.wire + 2;
	m->here.lines++;
}

void
mime_feed(struct mime_parser *m, struct span piece)
{
	while (piece.n > 0 && m->root) {
		const char *end = memchr(piece.p, '\n', piece.n);
		size_t n = end ? (size_t)(end - piece.p) : piece.n;

		if (!m->in_line)
			begin_line(m, *piece.p);
		take_text(m, (struct span){ piece.p, n }, end);
		if (end) {
			struct mime_place before = m->before;

			count_newline(m);
			/* A boundary takes the end of the line before it. */
			struct mime_place own = m->before;
			m->before = before;
			end_line(m);
			m->before = own;
			n++;
		}
		piece = (struct span){ piece.p + n, piece.n - n };
	}
}

struct mime_part *
mime_end(struct mime_parser *m)
{
	if (!m->root)
		return NULL;
	if (m->in_line)
		end_line(m);
	while (m->in_head) {
		end_field(m);
		end_head(m);
	}
	end_parts(m, NULL, m->here);
	return m->root;
}

struct mime_parser *
mime_new(struct arena *arena)
{
	struct mime_parser *m = zalloc(sizeof(*m));

	m->arena = arena;
	if (begin_part(m, NULL))
		m->root = m->at;
	return m;
}

struct mime_parser *
mime_free(struct mime_parser *m)
{
	free(m);
	return NULL;
}

struct mime_part *
mime_find(struct mime_part *root, const uint32_t *numbers, size_t n)
{
	struct mime_part *part = root;

	for (size_t i = 0; i < n && part; i++) {
		uint32_t left = numbers[i];
		bool is_body = i == 0; /* of a message */

		/* Numbers go through a message/rfc822 to what it holds. */
		if (i > 0 && part->kind == MIME_MESSAGE) {
			part = part->parts;
			is_body = true;
		}
		if (part->kind != MIME_MULTIPART) {
			if (!is_body || left != 1)
				return NULL;
			continue;
		}
		part = left > 0 ? part->parts : NULL;
		while (part && --left > 0)
			part = part->next;
	}
	return part;
}
