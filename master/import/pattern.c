/* Dovecot's variables in paths and queries. */
#include "master/import/import.h"

#include "base/scan.h"

#include <string.h>

/* "user", "user | username", "user|domain|lower": u, n or d; 0: another. */
static char
long_variable(struct span text)
{
	struct span name = trim_white(span_cut(&text, '|'));
	char letter = span_eq(name, SPAN("user")) ? 'u'
	    : span_eq(name, SPAN("username"))     ? 'n'
	    : span_eq(name, SPAN("domain"))       ? 'd'
	    : span_eq(name, SPAN("home"))         ? 'h'
						  : '\0';

	while (text.n > 0) {
		name = trim_white(span_cut(&text, '|'));
		if (span_eq(name, SPAN("username")) && letter == 'u')
			letter = 'n';
		else if (span_eq(name, SPAN("domain")) && letter == 'u')
			letter = 'd';
		else if (!span_eq(name, SPAN("lower")))
			return '\0';
	}
	return letter;
}

/* Takes a variable behind its %: its letter, or 0. */
static char
take_variable(struct span *in)
{
	struct span inner;

	if (take_char(in, '{'))
		return take_until(in, '}', &inner) ? long_variable(inner)
						   : '\0';
	while (in->n > 1 && *in->p == 'L')
		*in = (struct span){ in->p + 1, in->n - 1 };
	for (const char *c = "undh%"; *c; c++)
		if (take_char(in, *c))
			return *c;
	return '\0';
}

bool
import_pattern(const char *text, const char *home, struct buf *out)
{
	struct span in = span_str(text);

	if (in.n > 1 && in.p[0] == '~' && in.p[1] == '/' && home) {
		buf_put(out, span_str(home));
		in = (struct span){ in.p + 1, in.n - 1 };
	}
	while (in.n > 0) {
		const char *percent = memchr(in.p, '%', in.n);
		size_t n = percent ? (size_t)(percent - in.p) : in.n;
		char letter;

		buf_put(out, (struct span){ in.p, n });
		in = (struct span){ in.p + n, in.n - n };
		if (!take_char(&in, '%'))
			break;
		letter = take_variable(&in);
		if (letter == '\0')
			return false;
		if (letter == 'h' && home)
			buf_put(out, span_str(home));
		else
			buf_putf(out, "%%%c", letter);
	}
	return !out->overflow;
}
