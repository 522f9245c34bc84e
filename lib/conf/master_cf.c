#include "conf/master_cf.h"

#include "base/scan.h"
#include "conf/lines.h"
#include "conf/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MASTER_CF_MEMORY_MAX = 64 << 20,
	MASTER_CF_ARGS_MAX = 1000,
};

struct master_cf {
	struct arena *arena;
	struct service_line *line;
	size_t n;
	size_t max;
};

/* Where a line stands, for who complains about it. */
struct place {
	struct arena *arena;
	unsigned line;
	struct why *why;
};

static const char *const type_names[] = {
	[SERVICE_INET] = "inet",
	[SERVICE_UNIX] = "unix",
	[SERVICE_FIFO] = "fifo",
	[SERVICE_PASS] = "pass",
	[SERVICE_UNIX_DGRAM] = "unix-dgram",
};

const char *
service_type_name(enum service_type t)
{
	return type_names[t];
}

static int
refuse(const struct place *at, const char *field, struct span text,
    const char *allowed)
{
	return why_set(at->why, EINVAL, "master.cf", at->line,
	    "%s: bad %s; allowed is %s",
	    text.n > 0 ? arena_dup(at->arena, text) : "\"\"", field, allowed);
}

static int
take_field(struct span *in, const struct place *at, const char *field,
    struct span *field_r)
{
	size_t n = 0;

	skip_white(in);
	while (n < in->n && !is_white(in->p[n]))
		n++;
	*field_r = (struct span){ in->p, n };
	in->p += n;
	in->n -= n;
	if (n == 0)
		return why_set(at->why, EINVAL, "master.cf", at->line,
		    "the field \"%s\" is missing; allowed is service type "
		    "private unpriv chroot wakeup maxproc command + args",
		    field);
	return 0;
}

static int
parse_type(struct span text, const struct place *at, enum service_type *type_r)
{
	for (size_t i = 0; i < COUNT_OF(type_names); i++)
		if (span_eq(text, span_str(type_names[i]))) {
			*type_r = (enum service_type)i;
			return 0;
		}
	return refuse(at, "service type", text,
	    "inet, unix, fifo, pass or unix-dgram");
}

static int
parse_flag(struct span text, const struct place *at, const char *field,
    bool *flag_r)
{
	if (span_eq(text, SPAN("-")))
		return 0;
	if (!span_eq(text, SPAN("y")) && !span_eq(text, SPAN("n")))
		return refuse(at, field, text, "y, n or -");
	*flag_r = *text.p == 'y';
	return 0;
}

static int
parse_wakeup(struct span text, const struct place *at, struct service_line *s)
{
	struct span in = text;
	uint64_t seconds;

	if (span_eq(text, SPAN("-")))
		return 0;
	if (!take_number(&in, INT32_MAX, &seconds))
		return refuse(at, "wakeup", text,
		    "seconds, seconds with a ? behind them, or -");
	s->wakeup_if_used = take_char(&in, '?');
	if (in.n > 0)
		return refuse(at, "wakeup", text,
		    "seconds, seconds with a ? behind them, or -");
	s->wakeup = (int64_t)seconds * 1000;
	return 0;
}

static int
parse_maxproc(struct span text, const struct place *at, struct service_line *s)
{
	struct span in = text;
	uint64_t number;

	if (span_eq(text, SPAN("-"))) {
		s->maxproc = -1;
		return 0;
	}
	if (!take_number(&in, INT32_MAX, &number) || in.n > 0)
		return refuse(at, "maxproc", text, "a number, or -");
	s->maxproc = (int64_t)number;
	return 0;
}

/* Up to a blank that is in no { braces }. */
static int
take_token(struct span *in, const struct place *at, struct span *token_r)
{
	size_t n = 0;
	size_t level = 0;

	for (; n < in->n && (level > 0 || !is_white(in->p[n])); n++) {
		level += in->p[n] == '{';
		level -= in->p[n] == '}' && level > 0;
	}
	if (level > 0)
		return refuse(at, "argument", *in, "a } for each {");
	*token_r = (struct span){ in->p, n };
	in->p += n;
	in->n -= n;
	return 0;
}

/* A word; if it is all in { braces }, they are taken off. */
static int
take_arg(struct span *in, const struct place *at, struct span *arg_r)
{
	struct span whole;
	size_t level = 0;
	int error = take_token(in, at, &whole);

	*arg_r = whole;
	if (error || *whole.p != '{')
		return error;
	for (size_t i = 0; i + 1 < whole.n; i++) {
		level += whole.p[i] == '{';
		level -= whole.p[i] == '}';
		if (level == 0)
			return refuse(at, "argument", whole,
			    "a blank behind }");
	}
	*arg_r = trim_white((struct span){ whole.p + 1, whole.n - 2 });
	return 0;
}

static int
parse_args(struct span in, const struct place *at, struct service_line *s)
{
	size_t room = in.n / 2 + 2;
	const char **args = arena_alloc(at->arena, room * sizeof(*args));

	if (!args)
		return refuse(at, "line", SPAN(""), "a shorter file");
	for (skip_white(&in); in.n > 0; skip_white(&in)) {
		struct span arg;
		int error = take_arg(&in, at, &arg);

		if (error)
			return error;
		if (s->args_n == MASTER_CF_ARGS_MAX)
			return refuse(at, "command", arg,
			    "at most 1000 arguments");
		args[s->args_n] = arena_dup(at->arena, arg);
		if (!args[s->args_n++])
			return refuse(at, "line", SPAN(""), "a shorter file");
	}
	s->args = args;
	return 0;
}

static int
parse_fields(struct span field[SERVICE_FIELDS_N], const struct place *at,
    struct service_line *s)
{
	int error = parse_type(field[1], at, &s->type);

	s->private = true;
	s->unpriv = true;
	s->chroot = false; /* since Postfix 3.0 */
	if (!error)
		error = parse_flag(field[2], at, "private", &s->private);
	if (!error)
		error = parse_flag(field[3], at, "unpriv", &s->unpriv);
	if (!error)
		error = parse_flag(field[4], at, "chroot", &s->chroot);
	if (!error)
		error = parse_wakeup(field[5], at, s);
	if (!error)
		error = parse_maxproc(field[6], at, s);
	if (!error && s->type == SERVICE_INET && span_eq(field[2], SPAN("y")))
		error = refuse(at, "private", field[0],
		    "n for a service of type inet");
	if (!error && memchr(field[7].p, '/', field[7].n))
		error = refuse(at, "command", field[7],
		    "the name of a program in daemon_directory");
	return error;
}

static int
parse_line(struct span text, const struct place *at, struct service_line *s)
{
	static const char *const names[SERVICE_FIELDS_N] = { "service", "type",
		"private", "unpriv", "chroot", "wakeup", "maxproc", "command" };
	struct span field[SERVICE_FIELDS_N];
	int error = 0;

	if (memchr(text.p, '\0', text.n))
		return refuse(at, "line", SPAN(""), "no NUL in it");
	for (size_t i = 0; !error && i < SERVICE_FIELDS_N; i++)
		error = take_field(&text, at, names[i], &field[i]);
	if (!error)
		error = parse_fields(field, at, s);
	if (!error)
		error = parse_args(text, at, s);
	if (error)
		return error;
	for (size_t i = 0; i < SERVICE_FIELDS_N; i++) {
		s->field[i] = arena_dup(at->arena, field[i]);
		if (!s->field[i])
			return refuse(at, "line", SPAN(""), "a shorter file");
	}
	s->name = s->field[0];
	s->command = s->field[7];
	s->line = at->line;
	return 0;
}

int
service_line_parse(struct span text, unsigned line, struct arena *a,
    struct service_line *s, struct why *why)
{
	struct place at = { a, line, why };

	*s = (struct service_line){ 0 };
	return parse_line(text, &at, s);
}

static struct service_line *
find(const struct master_cf *m, const char *name, enum service_type type)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->line[i].type == type &&
		    strcmp(m->line[i].name, name) == 0)
			return &m->line[i];
	return NULL;
}

/* A later line replaces an earlier one, and takes its place. */
static void
add(struct master_cf *m, const struct service_line *s)
{
	struct service_line *old = find(m, s->name, s->type);

	if (old) {
		*old = *s;
		return;
	}
	if (m->n == m->max) {
		size_t max = m->max ? m->max * 2 : 64;
		struct service_line *more = zalloc(max * sizeof(*more));

		if (m->n > 0)
			memcpy(more, m->line, m->n * sizeof(*more));
		free(m->line);
		m->line = more;
		m->max = max;
	}
	m->line[m->n++] = *s;
}

struct master_cf *
master_cf_load(const struct conf *c, struct why *why)
{
	char path[CONF_PATH_MAX];
	struct master_cf *m = zalloc(sizeof(*m));
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	int error;

	m->arena = arena_new(MASTER_CF_MEMORY_MAX);
	snprintf(path, sizeof(path), "%s/master.cf", conf_dir(c));
	error = lines_read(path, &lines, &text, why);
	while (!error && lines_next(&lines, &line, &number)) {
		struct service_line s;

		if (is_white(*line.p))
			error = why_set(why, EINVAL, "master.cf", number,
			    "begins with a blank, and there is no line that "
			    "it could go on with");
		else
			error = service_line_parse(line, number, m->arena, &s,
			    why);
		if (!error)
			add(m, &s);
	}
	free(text);
	return error ? master_cf_free(m) : m;
}

struct master_cf *
master_cf_free(struct master_cf *m)
{
	if (!m)
		return NULL;
	arena_free(m->arena);
	free(m->line);
	free(m);
	return NULL;
}

size_t
master_cf_count(const struct master_cf *m)
{
	return m->n;
}

const struct service_line *
master_cf_at(const struct master_cf *m, size_t i)
{
	must(i < m->n);
	return &m->line[i];
}

const struct service_line *
master_cf_find(const struct master_cf *m, const char *name,
    enum service_type type)
{
	return find(m, name, type);
}
