#include "conf/master_edit.h"

#include "base/scan.h"
#include "conf/entry.h"
#include "conf/lines.h"
#include "conf/private.h"
#include "conf/replace.h"

#include <errno.h>
#include <stdlib.h>

enum {
	EDIT_MEMORY_MAX = 256 << 20,
};

struct request {
	const char *text;
	struct span name, type;
	struct span key; /* a parameter, or a field's name */
	size_t field;
	struct span value;
	struct entry_text entry; /* of MASTER_EDIT_SET */
	bool done; /* it meant an entry, or was put */
};

struct edit {
	enum master_edit kind;
	struct request *request;
	size_t n;
	struct arena *arena;
	FILE *out;
	struct why *why;
};

/* An entry, and the text of the file that it takes. */
struct place {
	struct entry_text entry;
	struct span raw;
};

static void
put(FILE *out, struct span s)
{
	fwrite(s.p, 1, s.n, out);
}

/* The lines of an entry, or its comments, each behind `before`. */
static void
put_lines(FILE *out, struct span raw, bool comments, const char *before)
{
	while (raw.n > 0) {
		struct span line = span_cut(&raw, '\n');

		if (lines_is_void(line) != comments)
			continue;
		fputs(before, out);
		put(out, line);
		fputc('\n', out);
	}
}

static bool
is_meant(const struct request *r, const struct entry_text *e)
{
	if (entry_is(e, r->name, r->type))
		return true;
	/* What it becomes can be there once only. */
	return r->entry.field[0] &&
	    entry_is(e, span_str(r->entry.field[0]),
		span_str(r->entry.field[1]));
}

static int
change(struct edit *e, struct request *r, struct entry_text *entry)
{
	switch (e->kind) {
	case MASTER_EDIT_SET_FIELD:
		return entry_set_field(entry, r->field, r->value, e->why);
	case MASTER_EDIT_SET_PARAM:
		return entry_set_param(entry, r->key, r->value, e->why);
	case MASTER_EDIT_REMOVE_PARAM:
		entry_remove_param(entry, r->key);
		return 0;
	case MASTER_EDIT_SET:
	case MASTER_EDIT_COMMENT:
	case MASTER_EDIT_REMOVE:
		return 0;
	}
	return 0;
}

/* A request that means the whole entry takes its place. */
static void
replace_entry(struct edit *e, struct request *r, struct span raw)
{
	if (e->kind == MASTER_EDIT_COMMENT) {
		while (raw.n > 0) {
			struct span line = span_cut(&raw, '\n');

			put(e->out, lines_is_void(line) ? SPAN("") : SPAN("#"));
			put(e->out, line);
			fputc('\n', e->out);
		}
		return;
	}
	if (e->kind == MASTER_EDIT_SET && !r->done)
		entry_put(e->out, &r->entry, true);
	put_lines(e->out, raw, true, "");
}

static int
edit_entry(struct edit *e, struct place *p)
{
	bool whole = e->kind < MASTER_EDIT_SET_FIELD;
	bool changed = false;

	for (size_t i = 0; i < e->n; i++) {
		struct request *r = &e->request[i];
		int error;

		if (!is_meant(r, &p->entry))
			continue;
		if (whole)
			replace_entry(e, r, p->raw);
		error = change(e, r, &p->entry);
		r->done = true;
		if (error || whole)
			return error;
		changed = true;
	}
	if (changed) {
		entry_put(e->out, &p->entry, true);
		put_lines(e->out, p->raw, true, "");
	} else {
		put(e->out, p->raw);
		if (p->raw.p[p->raw.n - 1] != '\n')
			fputc('\n', e->out);
	}
	return 0;
}

/* Takes an entry with all that goes on with it, and what stands in between. */
static struct span
take_raw(struct span *text)
{
	struct span rest = *text, raw = { text->p, 0 };
	bool first = true;

	while (rest.n > 0) {
		struct span line = span_cut(&rest, '\n');
		bool is_void = lines_is_void(line);

		if (!first && !is_void && !is_white(*line.p))
			break;
		first = false;
		if (!is_void)
			raw.n = (size_t)(rest.p - raw.p);
	}
	text->p += raw.n;
	text->n -= raw.n;
	return raw;
}

/* What the lines of an entry say together. */
static int
parse_raw(struct edit *e, struct span raw, unsigned number, struct place *p)
{
	char *copy = arena_dup(e->arena, raw);
	struct lines l = { .p = copy, .n = raw.n };
	struct span line;
	unsigned at;

	p->raw = raw;
	if (!copy || !lines_next(&l, &line, &at))
		return why_set(e->why, ENOMEM, NULL, 0, "master.cf: too large");
	return entry_parse(line, number, e->arena, &p->entry, e->why);
}

static unsigned
count_lines(struct span text)
{
	unsigned n = 0;

	while (text.n > 0) {
		(void)span_cut(&text, '\n');
		n++;
	}
	return n;
}

static int
rewrite(FILE *out, struct span text, void *arg, struct why *why)
{
	struct edit *e = arg;
	unsigned number = 1;

	e->out = out;
	e->why = why;
	while (text.n > 0) {
		struct span rest = text, line = span_cut(&rest, '\n');
		struct place p;
		int error;

		if (lines_is_void(line) || is_white(*line.p)) {
			put(out, line);
			fputc('\n', out);
			text = rest;
			number++;
			continue;
		}
		error = parse_raw(e, take_raw(&text), number, &p);
		number += count_lines(p.raw);
		if (!error)
			error = edit_entry(e, &p);
		if (error)
			return error;
	}
	for (size_t i = 0; i < e->n && e->kind == MASTER_EDIT_SET; i++)
		if (!e->request[i].done)
			entry_put(out, &e->request[i].entry, true);
	return 0;
}

static int
parse_key(struct edit *e, struct request *r)
{
	if (e->kind == MASTER_EDIT_SET)
		return entry_parse(r->value, 0, e->arena, &r->entry, e->why);
	if (e->kind != MASTER_EDIT_SET_FIELD)
		return 0;
	r->field = entry_field(r->key);
	if (r->field < SERVICE_FIELDS_N)
		return 0;
	return why_set(e->why, EINVAL, NULL, 0,
	    "invalid service attribute name: \"%.*s\"", (int)r->key.n,
	    r->key.p);
}

static int
parse_request(struct edit *e, const char *text, struct request *r)
{
	static const char *const wants[] = {
		[MASTER_EDIT_SET] = "-Me, -MX or -M# requires "
				    "service_name/type",
		[MASTER_EDIT_COMMENT] = "-Me, -MX or -M# requires "
					"service_name/type",
		[MASTER_EDIT_REMOVE] = "-Me, -MX or -M# requires "
				       "service_name/type",
		[MASTER_EDIT_SET_FIELD] = "-Fe or -FX requires "
					  "service_name/type/field_name",
		[MASTER_EDIT_SET_PARAM] = "-Pe or -PX requires "
					  "service_name/type/parameter",
		[MASTER_EDIT_REMOVE_PARAM] = "-Pe or -PX requires "
					     "service_name/type/parameter",
	};
	bool whole = e->kind < MASTER_EDIT_SET_FIELD;
	bool sets = e->kind != MASTER_EDIT_COMMENT &&
	    e->kind != MASTER_EDIT_REMOVE &&
	    e->kind != MASTER_EDIT_REMOVE_PARAM;
	struct span key = span_str(text);

	r->text = text;
	if (strchr(text, '\n'))
		return why_set(e->why, EINVAL, NULL, 0,
		    "%.60s: a newline is not allowed", text);
	if (sets && lines_split(key, NULL, 0, &key, &r->value, e->why) < 0)
		return -EINVAL;
	r->name = span_cut(&key, '/');
	r->type = whole ? key : span_cut(&key, '/');
	r->key = whole ? (struct span){ NULL, 0 } : key;
	if (r->name.n == 0 || r->type.n == 0 || (!whole && r->key.n == 0) ||
	    memchr(whole ? r->type.p : r->key.p, '/',
		whole ? r->type.n : r->key.n))
		return why_set(e->why, EINVAL, NULL, 0, "%s", wants[e->kind]);
	return parse_key(e, r);
}

int
master_edit(const char *dir, enum master_edit kind, const char *const *requests,
    size_t n, void (*fn)(const char *request), struct why *why)
{
	struct edit e = { .kind = kind, .n = n, .why = why };
	int error = 0;

	e.arena = arena_new(EDIT_MEMORY_MAX);
	e.request = zalloc((n + 1) * sizeof(*e.request));
	for (size_t i = 0; !error && i < n; i++)
		error = parse_request(&e, requests[i], &e.request[i]);
	if (!error)
		error = conf_replace(dir, "master.cf", rewrite, &e, why);
	for (size_t i = 0; !error && i < n; i++)
		if (kind >= MASTER_EDIT_SET_FIELD && !e.request[i].done)
			fn(e.request[i].text);
	free(e.request);
	arena_free(e.arena);
	return error;
}
