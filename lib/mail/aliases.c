#include "mail/aliases.h"

#include "base/scan.h"
#include "mail/address.h"

static bool
is_separator(char c, bool lines)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' ||
	    (lines && c == '\n');
}

/* The end of an item: a comma, or with `lines` a newline, outside of quotes. */
static size_t
item_length(struct span s, bool lines)
{
	bool quoted = false;
	size_t depth = 0, n = 0;

	for (; n < s.n; n++) {
		char c = s.p[n];

		if (c == '\n' && lines)
			break;
		if (c == '\\' && n + 1 < s.n && s.p[n + 1] != '\n')
			n++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == ',' && depth == 0)
			break;
	}
	return n;
}

static bool
cut(struct span *text, bool lines, struct span *item_r)
{
	size_t n = 0;

	while (text->n > 0 && is_separator(*text->p, lines)) {
		text->p++;
		text->n--;
	}
	n = item_length(*text, lines);
	*item_r = trim_white((struct span){ text->p, n });
	text->p += n;
	text->n -= n;
	return item_r->n > 0;
}

bool
aliases_cut(struct span *value, struct span *item_r)
{
	return cut(value, false, item_r);
}

bool
aliases_cut_lines(struct span *text, struct span *item_r)
{
	while (cut(text, true, item_r)) {
		if (*item_r->p != '#')
			return true;
		/* A comment has no items, whatever its commas. */
		text->n += (size_t)(text->p - item_r->p);
		text->p = item_r->p;
		span_cut(text, '\n');
	}
	return false;
}

/* All of it is one "quoted string": without quotes. False: it is not. */
static bool
unquote(struct span s, struct arena *a, struct span *text_r)
{
	char *out;
	size_t n = 0;

	if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
		return false;
	out = arena_alloc(a, s.n);
	if (!out)
		return false;
	for (size_t i = 1; i < s.n - 1; i++) {
		if (s.p[i] == '"')
			return false;
		if (s.p[i] == '\\' && ++i == s.n - 1)
			return false; /* the last quote is a part of it */
		out[n++] = s.p[i];
	}
	*text_r = (struct span){ out, n };
	return true;
}

/* "Name <address>" and "address (name)". */
static bool
parse_address(struct span s, struct address *address_r)
{
	size_t at = s.n;

	if (s.n > 0 && s.p[s.n - 1] == '>')
		while (at > 0 && s.p[at - 1] != '<')
			at--;
	if (at < s.n) {
		s = (struct span){ s.p + at, s.n - at - 1 };
		s = trim_white(s);
	}
	if (!take_mailbox(&s, ADDRESS_UTF8, address_r))
		return false;
	s = trim_white(s);
	return s.n == 0 || (s.p[0] == '(' && s.p[s.n - 1] == ')');
}

static bool
put_address(struct span s, struct arena *a, enum alias_kind kind,
    struct alias_item *item_r)
{
	struct address address;
	struct buf b;
	char *storage;

	if (!parse_address(s, &address) || address.local.n == 0)
		return true; /* bad, as it was */
	storage = arena_alloc(a, ADDRESS_MAX);
	if (!storage)
		return false;
	buf_init(&b, storage, ADDRESS_MAX);
	address_put(&address, &b);
	*item_r = (struct alias_item){ kind, buf_span(&b) };
	return true;
}

/* What may stand within the quotes of a whole item, too. */
static bool
parse_special(struct span s, struct arena *a, struct alias_item *item_r)
{
	struct span inner;

	if (take_char(&s, '|')) {
		item_r->kind = ALIAS_COMMAND;
		s = trim_white(s);
	} else if (take_text(&s, SPAN(":include:"))) {
		item_r->kind = ALIAS_INCLUDE;
		s = trim_white(s);
	} else if (s.n > 0 && s.p[0] == '/') {
		item_r->kind = ALIAS_FILE;
	} else {
		return false;
	}
	item_r->text = unquote(s, a, &inner) ? inner : s;
	if (item_r->text.n == 0 ||
	    (item_r->kind == ALIAS_INCLUDE && item_r->text.p[0] != '/'))
		item_r->kind = ALIAS_BAD;
	return true;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return true;
	return false;
}

bool
aliases_parse(struct span item, struct arena *a, struct alias_item *item_r)
{
	char *copy = arena_dup(a, item);
	struct span s = { copy, item.n }, inner;

	if (!copy)
		return false;
	*item_r = (struct alias_item){ ALIAS_BAD, s };
	if (item.n == 0 || item.n > ALIASES_ITEM_MAX || has_control(s))
		return true;
	if (parse_special(s, a, item_r))
		return true;
	if (unquote(s, a, &inner) && parse_special(inner, a, item_r))
		return true;
	if (take_char(&s, '\\'))
		return put_address(s, a, ALIAS_MAILBOX, item_r);
	return put_address(s, a, ALIAS_ADDRESS, item_r);
}

bool
aliases_take_line(struct span line, bool keep_capitals, struct arena *a,
    struct span *name_r, struct span *value_r)
{
	bool quoted = false;
	struct span name, plain;
	size_t n = 0;
	char *low;

	for (; n < line.n && (quoted || line.p[n] != ':'); n++)
		if (line.p[n] == '"')
			quoted = !quoted;
		else if (line.p[n] == '\\' && quoted)
			n++;
	if (n >= line.n)
		return false;
	name = trim_white((struct span){ line.p, n });
	*value_r = trim_white((struct span){ line.p + n + 1, line.n - n - 1 });
	if (unquote(name, a, &plain))
		name = plain;
	low = arena_dup(a, name);
	if (!low || name.n == 0 || value_r->n == 0)
		return false;
	for (size_t i = 0; i < name.n && !keep_capitals; i++)
		low[i] = ascii_lower(low[i]);
	*name_r = (struct span){ low, name.n };
	return true;
}
