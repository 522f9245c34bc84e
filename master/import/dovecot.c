#include "master/import/dovecot.h"

#include "base/buf.h"
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

/* What is read, line by line, and the sections that are open. */
struct reader {
	const struct dovecot_text *t;
	struct dovecot *open[DOVECOT_DEPTH_MAX + 1];
	size_t depth;
	unsigned line; /* on which the logical line begins */
	unsigned next; /* the physical line that is read next */
	struct why *why;
};

static bool
fail(const struct reader *r, const char *what)
{
	why_set(r->why, 0, r->t->file, r->line, "%s", what);
	return false;
}

static char *
copy(const struct reader *r, struct span s)
{
	return memchr(s.p, '\0', s.n) ? NULL : arena_dup(r->t->arena, s);
}

static struct dovecot *
add(struct reader *r, struct span name, struct span arg)
{
	struct dovecot *in = r->open[r->depth];
	struct dovecot *d = ARENA_NEW(r->t->arena, struct dovecot);

	if (!d)
		return NULL;
	d->name = copy(r, name);
	d->arg = copy(r, arg);
	d->file = r->t->file;
	d->line = r->line;
	if (!d->name || !d->arg)
		return NULL;
	if (in->last)
		in->last->next = d;
	else
		in->first = d;
	in->last = d;
	return d;
}

/* A comment begins at the front, or behind a blank, outside of quotes. */
static struct span
without_comment(struct span line)
{
	bool in_quotes = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (c == '\\' && in_quotes)
			i++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (c == '#' && !in_quotes &&
		    (i == 0 || is_white(line.p[i - 1])))
			return (struct span){ line.p, i };
	}
	return line;
}

/* "text", in which a backslash stands before what is meant as it is. */
static char *
unquoted(const struct reader *r, struct span s)
{
	char *text = copy(r, s);
	size_t n = 0;

	if (!text || s.n < 2 || *text != '"' || text[s.n - 1] != '"')
		return text;
	for (size_t i = 1; i < s.n - 1; i++) {
		if (text[i] == '\\' && i + 1 < s.n - 1)
			i++;
		text[n++] = text[i];
	}
	text[n] = '\0';
	return text;
}

static bool
take_setting(struct reader *r, struct span name, struct span value)
{
	struct dovecot *d = add(r, trim_white(name), SPAN(""));

	value = trim_white(value);
	if (!d || *d->name == '\0')
		return fail(r,
		    d ? "a setting without a name"
		      : "the configuration is too long, or has a NUL");
	d->is_file = take_char(&value, '<');
	d->value = unquoted(r, trim_white(value));
	return d->value ||
	    fail(r, "the configuration is too long, or has a NUL");
}

static bool
open_section(struct reader *r, struct span head)
{
	struct span name = SPAN("");
	struct dovecot *d;

	if (!take_word(&head, &name))
		return fail(r, "a section without a name");
	head = trim_white(head);
	if (head.n >= 2 && *head.p == '"' && head.p[head.n - 1] == '"')
		head = (struct span){ head.p + 1, head.n - 2 };
	d = add(r, name, head);
	if (!d)
		return fail(r, "the configuration is too long, or has a NUL");
	if (r->depth == DOVECOT_DEPTH_MAX)
		return fail(r, "too many sections in sections");
	r->open[++r->depth] = d;
	return true;
}

static bool
include(struct reader *r, struct span line)
{
	struct span word = SPAN("");
	const char *glob;

	if (!take_word(&line, &word))
		return fail(r, "an include without a file");
	glob = copy(r, trim_white(line));
	if (!glob ||
	    (!span_eq(word, SPAN("!include")) &&
		!span_eq(word, SPAN("!include_try"))))
		return fail(r, "after a ! allowed are include, include_try");
	if (r->t->depth == DOVECOT_INCLUDE_MAX)
		return fail(r, "too many files in files");
	if (!r->t->include)
		return true;
	return r->t->include(r->open[r->depth], r->t, glob,
	    span_eq(word, SPAN("!include")), r->t->arg, r->why);
}

/* One of "a = b", "a b {", "}", "!include f", and what follows on the line. */
static bool
take_statement(struct reader *r, struct span line)
{
	const char *brace, *equals;
	struct span head;

	line = trim_white(line);
	if (line.n == 0)
		return true;
	if (*line.p == '!')
		return include(r, line);
	if (*line.p == '}') {
		if (r->depth == 0)
			return fail(r, "a } too many");
		r->depth--;
		return take_statement(r,
		    (struct span){ line.p + 1, line.n - 1 });
	}
	equals = memchr(line.p, '=', line.n);
	brace = memchr(line.p, '{', line.n);
	if (equals && (!brace || equals < brace)) {
		head = span_cut(&line, '=');
		return take_setting(r, head, line);
	}
	if (!brace)
		return fail(r,
		    "no setting (name = value) and no section "
		    "(name {)");
	head = span_cut(&line, '{');
	if (!open_section(r, head))
		return false;
	line = trim_white(line);
	/* "protocols { imap = yes }" */
	if (line.n > 1 && line.p[line.n - 1] == '}' && *line.p != '}')
		return take_statement(r, (struct span){ line.p, line.n - 1 }) &&
		    take_statement(r, SPAN("}"));
	return take_statement(r, line);
}

/* A line, and those that it goes on with, joined in `out`. */
static struct span
join_lines(struct reader *r, struct span *text, struct buf *out)
{
	buf_drop(out, out->n);
	r->line = r->next;
	while (text->n > 0) {
		struct span line = span_cut(text, '\n');

		r->next++;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		line = without_comment(line);
		if (line.n == 0 || line.p[line.n - 1] != '\\') {
			buf_put(out, line);
			break;
		}
		buf_put(out, (struct span){ line.p, line.n - 1 });
	}
	return buf_span(out);
}

bool
dovecot_parse(struct dovecot *top, const struct dovecot_text *t,
    struct span text, struct why *why)
{
	struct reader r = { .t = t, .open = { top }, .next = 1, .why = why };
	char *storage = zalloc(text.n + 1);
	bool is_fine = true;
	struct buf b;

	buf_init(&b, storage, text.n);
	while (text.n > 0 && is_fine)
		is_fine = take_statement(&r, join_lines(&r, &text, &b));
	if (is_fine && r.depth > 0)
		is_fine = fail(&r, "a section is not closed");
	free(storage);
	return is_fine;
}

static struct dovecot *
find_below(struct dovecot *in, const char *name, unsigned depth)
{
	struct dovecot *found = NULL, *deeper;

	for (struct dovecot *d = in->first; d; d = d->next) {
		size_t n = strlen(d->name);

		if (strcmp(d->name, name) == 0)
			found = d;
		else if (!d->value && *d->arg == '\0' && depth > 0 &&
		    strncmp(name, d->name, n) == 0 && name[n] == '_' &&
		    (deeper = find_below(d, name + n + 1, depth - 1)))
			found = deeper;
	}
	if (found)
		in->is_used = true;
	return found;
}

struct dovecot *
dovecot_find(struct dovecot *in, const char *name)
{
	struct dovecot *found = find_below(in, name, DOVECOT_DEPTH_MAX);

	if (found)
		found->is_used = true;
	return found;
}

const char *
dovecot_value(struct dovecot *in, const char *name)
{
	const struct dovecot *d = dovecot_find(in, name);

	return d ? d->value : NULL;
}
