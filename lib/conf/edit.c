#include "conf/lines.h"
#include "conf/private.h"
#include "conf/replace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One name to edit. */
struct change {
	struct span name;
	struct span value;
	bool done;
};

struct edit {
	enum conf_edit kind;
	struct change *change;
	size_t n;
	FILE *out;
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
put(FILE *out, struct span s)
{
	fwrite(s.p, 1, s.n, out);
}

static void
put_change(const struct edit *e, const struct change *c)
{
	fprintf(e->out, "%.*s = %.*s\n", (int)c->name.n, c->name.p,
	    (int)c->value.n, c->value.p);
}

/* The last one that is told wins. */
static struct change *
find_name(const struct edit *e, struct span name)
{
	for (size_t i = e->n; i > 0; i--)
		if (span_eq(e->change[i - 1].name, name))
			return &e->change[i - 1];
	return NULL;
}

static struct change *
find(const struct edit *e, struct span line)
{
	struct span name = span_cut(&line, '=');

	while (name.n > 0 && is_blank(name.p[name.n - 1]))
		name.n--;
	return find_name(e, name);
}

/* The first line of a name becomes the new one, others of it go. */
static void
begin_line(struct edit *e, struct change *c, struct span line)
{
	switch (e->kind) {
	case CONF_EDIT_SET:
		if (!c->done)
			put_change(e, c);
		break;
	case CONF_EDIT_COMMENT:
		fputc('#', e->out);
		put(e->out, line);
		fputc('\n', e->out);
		break;
	case CONF_EDIT_REMOVE:
		break;
	}
	c->done = true;
}

static void
rewrite(struct edit *e, struct span text)
{
	struct change *c = NULL; /* what is edited by the line we are in */

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');

		if (lines_is_void(line)) {
			put(e->out, line);
			fputc('\n', e->out);
			continue;
		}
		if (!is_blank(*line.p)) {
			c = find(e, line);
			if (c) {
				begin_line(e, c, line);
				continue;
			}
		} else if (c && e->kind == CONF_EDIT_COMMENT) {
			fputc('#', e->out);
		} else if (c) {
			continue;
		}
		put(e->out, line);
		fputc('\n', e->out);
	}
	for (size_t i = 0; i < e->n && e->kind == CONF_EDIT_SET; i++) {
		c = find_name(e, e->change[i].name);
		if (!c->done)
			put_change(e, c);
		c->done = true;
	}
}

static int
rewrite_main_cf(FILE *out, struct span text, void *arg, struct why *why)
{
	struct edit *e = arg;

	(void)why;
	e->out = out;
	rewrite(e, text);
	return 0;
}

static int
parse_change(enum conf_edit kind, const char *text, struct change *c,
    struct why *why)
{
	struct span s = { text, strlen(text) };

	if (strchr(text, '\n'))
		return why_set(why, EINVAL, NULL, 0,
		    "%.60s: a newline is not allowed", text);
	if (kind == CONF_EDIT_SET)
		return lines_split(s, NULL, 0, &c->name, &c->value, why);
	if (s.n == 0 || strpbrk(text, "= \t"))
		return why_set(why, EINVAL, NULL, 0,
		    "\"%.60s\": allowed is the name of a parameter", text);
	c->name = s;
	return 0;
}

int
conf_edit(const char *dir, enum conf_edit kind, const char *const *texts,
    size_t n, struct why *why)
{
	struct edit e = { .kind = kind, .n = n };
	int error = 0;

	e.change = zalloc((n + 1) * sizeof(*e.change));
	for (size_t i = 0; !error && i < n; i++)
		error = parse_change(kind, texts[i], &e.change[i], why);
	if (!error)
		error = conf_replace(dir, "main.cf", rewrite_main_cf, &e, why);
	free(e.change);
	return error;
}
