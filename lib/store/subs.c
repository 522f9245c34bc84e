#include "store/subs.h"

#include "base/scan.h"

bool
store_name_is_valid(struct span name)
{
	if (name.n == 0 || name.n > STORE_NAME_MAX || name.p[0] == '.' ||
	    name.p[name.n - 1] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < ' ' || name.p[i] > '~' || name.p[i] == '/' ||
		    (name.p[i] == '.' && name.p[i - 1] == '.'))
			return false;
	return true;
}

void
subs_begin(struct subs *s, struct span text)
{
	s->rest = text;
	s->version = take_text(&s->rest, SPAN("V\t2\n\n")) ? 2 : 1;
}

/* Dovecot's quoting: \001 and one of "0", "1", "t", "n", "r". */
static bool
unquote(struct subs *s, struct span line, size_t *n_r)
{
	size_t n = 0;

	for (size_t i = 0; i < line.n && n < sizeof(s->name); i++) {
		char c = line.p[i];

		if (s->version == 2 && c == '\t')
			c = '.';
		else if (s->version == 2 && c == '\001')
			return false; /* no such byte is in a name */
		s->name[n++] = c;
	}
	*n_r = n;
	return n == line.n;
}

bool
subs_next(struct subs *s, struct span *name_r)
{
	while (s->rest.n) {
		struct span line = span_cut(&s->rest, '\n');
		size_t n;

		if (!unquote(s, line, &n))
			continue;
		*name_r = (struct span){ s->name, n };
		if (store_name_is_valid(*name_r))
			return true;
	}
	return false;
}

void
subs_put_head(struct buf *b)
{
	buf_put(b, SPAN("V\t2\n\n"));
}

void
subs_put(struct buf *b, struct span name)
{
	while (name.n) {
		buf_put(b, span_cut(&name, '.'));
		buf_put(b, name.n ? SPAN("\t") : SPAN("\n"));
	}
}
