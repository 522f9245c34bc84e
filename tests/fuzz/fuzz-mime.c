/*
 * Takes a message apart, whole and byte by byte: the same comes of it, the places
 * lie within each other, and what is told of it is well-formed.
 */
#include "imapd/format/structure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
	TEXT_MAX = 4 << 20,
};

static char scratch[STRUCTURE_SCRATCH];

static void
check_part(const struct mime_part *p, struct span text)
{
	uint64_t at = p->body.at;

	must(p->head.at <= p->body.at && p->body.at <= p->end.at);
	must(p->end.at <= text.n && p->depth <= MIME_DEPTH_MAX + 1);
	must(p->body.wire - p->head.wire >= p->body.at - p->head.at);
	must(p->end.wire - p->body.wire >= p->end.at - p->body.at);
	must(p->end.lines >= p->body.lines);
	must((p->kind == MIME_MESSAGE) ==
	    (p->parts_n == 1 && p->parts->envelope));
	for (const struct mime_part *c = p->parts; c; c = c->next) {
		must(c->parent == p && c->head.at >= at);
		must(c->end.at <= p->end.at);
		at = c->end.at;
		check_part(c, text);
	}
}

/* Parentheses, strings and literals end as they began. */
static void
check_words(struct span s)
{
	size_t depth = 0;

	while (s.n > 0) {
		size_t n = 1;

		if (*s.p == '"') {
			while (s.p[n] != '"')
				n += s.p[n] == '\\' ? 2 : 1;
			n++;
		} else if (*s.p == '{') {
			char *end;
			size_t size = strtoul(s.p + 1, &end, 10);

			must(memcmp(end, "}\r\n", 3) == 0);
			n = (size_t)(end - s.p) + 3 + size;
		} else if (*s.p == '(') {
			depth++;
		} else if (*s.p == ')') {
			must(depth-- > 0);
		}
		must(n <= s.n);
		s = (struct span){ s.p + n, s.n - n };
	}
	must(depth == 0);
}

static void
tell(struct span text, size_t step, struct buf *b)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(MIME_ARENA_MAX);
	struct mime_parser *m CLEANUP(mime_freep) = mime_new(a);
	struct out o = { out_to_buf, b };
	struct mime_part *root;

	for (size_t at = 0; at < text.n; at += step)
		mime_feed(m,
		    (struct span){ text.p + at,
			text.n - at < step ? text.n - at : step });
	root = mime_end(m);
	must(root && root->end.at == text.n);
	check_part(root, text);
	out_envelope(&o, root->envelope, scratch);
	out_structure(&o, root, true, scratch);
	out_structure(&o, root, false, scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char one[TEXT_MAX], two[TEXT_MAX];
	struct span text = { (const char *)data, n };
	struct buf a, b;

	if (n > 65536)
		return 0;
	buf_init(&a, one, sizeof(one));
	buf_init(&b, two, sizeof(two));
	tell(text, n + 1, &a);
	tell(text, 1, &b);
	must(!a.overflow && span_eq(buf_span(&a), buf_span(&b)));
	check_words(buf_span(&a));
	return 0;
}
