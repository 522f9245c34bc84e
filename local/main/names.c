#include "local/main/names.h"

#include "base/buf.h"
#include "base/scan.h"

#include <string.h>

enum {
	DEPTH_MAX = 10, /* of texts in texts */
};

struct expansion {
	const struct names *names;
	const char *filter;
	struct buf out;
	bool failed;
};

static bool
find(const struct names *n, struct span name, struct span *value_r)
{
	const struct {
		struct span name, value;
	} all[] = {
		{ SPAN_INIT("user"), n->user },
		{ SPAN_INIT("home"), n->home },
		{ SPAN_INIT("shell"), n->shell },
		{ SPAN_INIT("recipient"), n->recipient },
		{ SPAN_INIT("extension"), n->extension },
		{ SPAN_INIT("domain"), n->domain },
		{ SPAN_INIT("local"), n->local },
		{ SPAN_INIT("recipient_delimiter"), n->delimiter },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (span_eq(all[i].name, name)) {
			*value_r = all[i].value;
			return true;
		}
	return false;
}

static void
put_value(struct expansion *e, struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		bool good = c != '\0' && c != '\n' &&
		    (!e->filter || strchr(e->filter, c));

		buf_put(&e->out, good ? (struct span){ &c, 1 } : SPAN("_"));
	}
}

static size_t
name_length(struct span s)
{
	size_t n = 0;

	while (n < s.n &&
	    ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_' ||
		(s.p[n] >= 'A' && s.p[n] <= 'Z')))
		n++;
	return n;
}

/* What stands in braces, the first of which is at s->p; they nest. */
static bool
take_braced(struct span *s, struct span *inner_r)
{
	char open = s->p[0], close = open == '{' ? '}' : ')';
	size_t depth = 0;

	for (size_t i = 0; i < s->n; i++) {
		depth += s->p[i] == open;
		if (s->p[i] != close || --depth > 0)
			continue;
		*inner_r = (struct span){ s->p + 1, i - 1 };
		*s = (struct span){ s->p + i + 1, s->n - i - 1 };
		return true;
	}
	return false;
}

static void put_text(struct expansion *e, struct span text, unsigned depth);

/* "name", "name?text" or "name:text". */
static void
put_named(struct expansion *e, struct span inner, unsigned depth)
{
	size_t n = name_length(inner);
	struct span name = { inner.p, n }, value, text;
	char op = n < inner.n ? inner.p[n] : '\0';

	if (!find(e->names, name, &value) || (op && op != '?' && op != ':')) {
		e->failed = true;
		return;
	}
	if (op) {
		text = (struct span){ inner.p + n + 1, inner.n - n - 1 };
		if ((value.n > 0) == (op == '?'))
			put_text(e, text, depth + 1);
	} else if (value.n == 0) {
		e->failed = true;
	} else {
		put_value(e, value);
	}
}

/* `s` begins behind a dollar; what belongs to it is taken. */
static void
take_dollar(struct expansion *e, struct span *s, unsigned depth)
{
	struct span inner = { 0 };

	if (s->n > 0 && s->p[0] == '$') {
		buf_put(&e->out, SPAN("$"));
		*s = (struct span){ s->p + 1, s->n - 1 };
		return;
	}
	if (s->n > 0 && (s->p[0] == '{' || s->p[0] == '(')) {
		if (!take_braced(s, &inner))
			e->failed = true;
	} else {
		inner = (struct span){ s->p, name_length(*s) };
		*s = (struct span){ s->p + inner.n, s->n - inner.n };
	}
	if (!e->failed)
		put_named(e, inner, depth);
}

static void
put_text(struct expansion *e, struct span text, unsigned depth)
{
	if (depth > DEPTH_MAX)
		e->failed = true;
	while (text.n > 0 && !e->failed) {
		const char *dollar = memchr(text.p, '$', text.n);
		size_t n = dollar ? (size_t)(dollar - text.p) : text.n;

		buf_put(&e->out, (struct span){ text.p, n });
		text = (struct span){ text.p + n, text.n - n };
		if (!dollar)
			continue;
		text = (struct span){ text.p + 1, text.n - 1 };
		take_dollar(e, &text, depth);
	}
}

bool
names_expand(struct span text, const struct names *n, const char *filter,
    struct arena *a, struct span *out_r)
{
	struct expansion e = { .names = n, .filter = filter };
	char *storage = arena_alloc(a, NAMES_TEXT_MAX);

	if (!storage)
		return false;
	buf_init(&e.out, storage, NAMES_TEXT_MAX - 1); /* there is a NUL */
	put_text(&e, text, 0);
	*out_r = buf_span(&e.out);
	return !e.failed && !e.out.overflow;
}

static bool
is_between(char c)
{
	return c == ',' || is_white(c) || c == '\n' || c == '\r';
}

bool
names_next(struct span *list, struct span *item_r)
{
	size_t n = 0, depth = 0;

	while (list->n > 0 && is_between(list->p[0]))
		*list = (struct span){ list->p + 1, list->n - 1 };
	for (; n < list->n && (depth > 0 || !is_between(list->p[n])); n++) {
		depth += list->p[n] == '{';
		if (list->p[n] == '}' && depth > 0)
			depth--;
	}
	*item_r = (struct span){ list->p, n };
	*list = (struct span){ list->p + n, list->n - n };
	return n > 0;
}
