/*
 * A program of SEARCH in the first line, then a message: asked in one piece and
 * byte by byte, the answer is the same, and none is left open.
 */
#include "imapd/mailbox/match.h"
#include "imapd/parse/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum match_answer
feed(struct match *m, struct span range, size_t step)
{
	while (range.n > 0) {
		size_t n = range.n < step ? range.n : step;

		match_feed(m, (struct span){ range.p, n });
		range = (struct span){ range.p + n, range.n - n };
	}
	return match_end_part(m);
}

static enum match_answer
ask_part(struct match *m, const struct mime_part *part, struct span text,
    size_t step)
{
	enum match_answer a = MATCH_UNKNOWN;

	if (part->parent && match_begin_part_head(m))
		a = feed(m,
		    (struct span){ text.p + part->head.at,
			(size_t)(part->body.at - part->head.at) },
		    step);
	for (const struct mime_part *p = part->parts; p && a == MATCH_UNKNOWN;
	     p = p->next)
		a = ask_part(m, p, text, step);
	if (a == MATCH_UNKNOWN && !part->parts && match_begin_body(m, part))
		a = feed(m,
		    (struct span){ text.p + part->body.at,
			(size_t)(part->end.at - part->body.at) },
		    step);
	return a;
}

static enum match_answer
ask(struct match *m, struct span text, size_t step)
{
	static const struct mbox_message message = { .uid = 7, .size = 99 };
	struct arena *arena CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *parser CLEANUP(mime_freep) = mime_new(arena);
	enum match_answer a = match_begin(m, 3, &message, false);
	struct span rest = text;
	bool more = true;

	if (a != MATCH_UNKNOWN)
		return a;
	while (rest.n > 0 && more) {
		size_t n = rest.n < step ? rest.n : step;

		more = match_feed_head(m, (struct span){ rest.p, n });
		rest = (struct span){ rest.p + n, rest.n - n };
	}
	a = match_end_head(m);
	if (a != MATCH_UNKNOWN)
		return a;
	mime_feed(parser, text);
	a = ask_part(m, mime_end(parser), text, step);
	return a == MATCH_UNKNOWN ? match_end(m) : a;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(1 << 20);
	struct span none[STORE_KEYWORDS] = { 0 };
	struct match_view view = { 9, 9, none };
	struct span text = { (const char *)data, n };
	struct span line = span_cut(&text, '\n');
	struct imap_command c;
	const char *error;
	enum match_answer a;

	if (imap_parse(line, arena, &c, &error) != IMAP_OK ||
	    c.verb != IMAP_SEARCH)
		return 0;
	struct match *m CLEANUP(
	    match_freep) = match_new(c.search, c.charset, &view);
	if (!m)
		return 0;
	a = ask(m, text, n + 1);
	must(a != MATCH_UNKNOWN);
	must(ask(m, text, 1) == a);
	return 0;
}
