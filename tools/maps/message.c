/*
 * Keys of a mail, as header_checks and body_checks see it: -h, -b, and with -m the
 * heads of parts, too.
 */
#include "base/scan.h"
#include "mail/mime.h"
#include "tools/maps/postmap.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	MESSAGE_MAX = 256 << 20,
	READ_SIZE = 64 << 10,
};

struct message {
	const struct options *o;
	void (*fn)(struct span key, void *arg);
	void *arg;
	const char *text;
	struct mime_part *part; /* the next one whose head comes; with -m */
};

static char *
read_all(size_t *n_r)
{
	char *text = NULL;
	size_t n = 0, size = 0, got;

	do {
		if (size - n < READ_SIZE) {
			size = 2 * size + READ_SIZE;
			text = realloc(text, size);
			if (!text || size > MESSAGE_MAX)
				postmap_fatal("the message is too large");
		}
		got = fread(text + n, 1, READ_SIZE, stdin);
		n += got;
	} while (got > 0);
	*n_r = n;
	return text;
}

/* "Name:" in front, of printable characters. */
static bool
is_field(struct span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] > ' ' && line.p[n] < 127 &&
	    line.p[n] != ':')
		n++;
	while (n < line.n && n > 0 && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	return n > 0 && n < line.n && line.p[n] == ':';
}

static void
tell(const struct message *m, bool wanted, struct span key)
{
	if (wanted)
		m->fn(key, m->arg);
}

/* Takes the fields of a head, and the empty line behind them. */
static void
take_head(const struct message *m, struct span *in)
{
	struct span field = { in->p, 0 };
	bool more = true;

	while (more) {
		struct span rest = *in;
		struct span line = span_cut(&rest, '\n');
		bool goes_on = line.n > 0 && field.n > 0 && is_white(*line.p);

		more = in->n > 0 && (goes_on || is_field(line));
		if (goes_on && more) {
			field.n = (size_t)(line.p + line.n - field.p);
		} else {
			if (field.n > 0)
				tell(m, m->o->headers, field);
			field = more ? line : (struct span){ in->p, 0 };
		}
		if (!more && in->n > 0 && line.n == 0)
			*in = rest; /* what stands between head and body */
		else if (more)
			*in = rest;
	}
	tell(m, m->o->body, SPAN(""));
}

/* The parts in the order of their heads; a message's part comes behind it. */
static struct mime_part *
next_part(struct mime_part *p)
{
	if (p->parts)
		return p->parts;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

static void
take_all(struct message *m, struct span in)
{
	take_head(m, &in);
	while (in.n > 0) {
		size_t at = (size_t)(in.p - m->text);

		while (m->part && m->part->head.at < at)
			m->part = next_part(m->part);
		if (m->part && m->part->head.at == at) {
			m->part = next_part(m->part);
			take_head(m, &in);
		} else {
			tell(m, m->o->body, span_cut(&in, '\n'));
		}
	}
}

void
message_each(const struct options *o, void (*fn)(struct span key, void *arg),
    void *arg)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *parser CLEANUP(mime_freep) = mime_new(a);
	struct message m = { o, fn, arg, NULL, NULL };
	size_t n;
	char *text = read_all(&n);

	m.text = text;
	if (o->mime) {
		mime_feed(parser, (struct span){ text, n });
		m.part = mime_end(parser);
		if (m.part)
			m.part = next_part(m.part);
	}
	take_all(&m, (struct span){ text, n });
	free(text);
}
