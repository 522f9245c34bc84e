#include "conf/entry.h"

#include "base/buf.h"
#include "base/scan.h"
#include "conf/lines.h"
#include "conf/private.h"

#include <errno.h>
#include <stdlib.h>

enum {
	INDENT = 4,
	LIST_MEMORY_MAX = 64 << 20,
};

const char *const entry_field_names[SERVICE_FIELDS_N] = { "service", "type",
	"private", "unprivileged", "chroot", "wakeup", "process_limit",
	"command" };

size_t
entry_field(struct span name)
{
	size_t i = 0;

	while (i < SERVICE_FIELDS_N &&
	    !span_eq(name, span_str(entry_field_names[i])))
		i++;
	return i;
}

static const char *
dup(const struct entry_text *e, struct span s)
{
	const char *copy = arena_dup(e->arena, s);

	if (!copy)
		die("master.cf: too large");
	return copy;
}

/* "name = value" without the blanks, of which a person writes some. */
static const char *
normal_value(const struct entry_text *e, const char *text)
{
	struct span value = trim_white(span_str(text)), name;
	size_t n;
	char *joined;

	if (!strchr(text, '='))
		return text;
	/* -o{name = value}: those around a whole word are off already. */
	if (value.p[0] == '{' && value.p[value.n - 1] == '}')
		value = (struct span){ value.p + 1, value.n - 2 };
	name = trim_white(span_cut(&value, '='));
	value = trim_white(value);
	n = name.n + 1 + value.n;
	joined = arena_alloc(e->arena, n + 1);
	if (!joined)
		die("master.cf: too large");
	snprintf(joined, n + 1, "%.*s=%.*s", (int)name.n, name.p, (int)value.n,
	    value.p);
	return joined;
}

/* Takes options from the front of `in`; the rest are arguments. */
static void
normalize(struct entry_text *e, const char *const *in, size_t n)
{
	size_t i = 0;

	e->arg = arena_alloc(e->arena, (2 * n + 3) * sizeof(*e->arg));
	if (!e->arg)
		die("master.cf: too large");
	e->n = 0;
	while (i < n && in[i][0] == '-' && strcmp(in[i], "--") != 0) {
		const char *option = in[i++];

		if (option[1] != 'o') {
			e->arg[e->n++] = option;
			continue;
		}
		e->arg[e->n++] = "-o";
		if (option[2])
			e->arg[e->n++] = normal_value(e, option + 2);
		else if (i < n)
			e->arg[e->n++] = normal_value(e, in[i++]);
	}
	e->options_n = e->n;
	while (i < n)
		e->arg[e->n++] = in[i++];
}

int
entry_parse(struct span line, unsigned number, struct arena *a,
    struct entry_text *e_r, struct why *why)
{
	struct service_line s;
	int error = service_line_parse(line, number, a, &s, why);

	if (error)
		return error;
	*e_r = (struct entry_text){ .arena = a, .line = number };
	memcpy(e_r->field, s.field, sizeof(e_r->field));
	normalize(e_r, s.args, s.args_n);
	return 0;
}

/* What begins with a blank goes on with a line before it, and there is none. */
static void
remark_orphan(const char *dir, struct span line,
    void (*remark)(const char *text, void *arg), void *arg)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "%s/master.cf: logical line must not start with whitespace: "
	    "\"%.*s\"",
	    dir, (int)(line.n < 60 ? line.n : 60), line.p);
	remark(text, arg);
}

static void
append(struct entry_list *l, const struct entry_text *e, size_t *max)
{
	if (l->n == *max) {
		size_t more = *max ? *max * 2 : 64;
		struct entry_text *at = zalloc(more * sizeof(*at));

		if (l->n > 0)
			memcpy(at, l->at, l->n * sizeof(*at));
		free(l->at);
		l->at = at;
		*max = more;
	}
	l->at[l->n++] = *e;
}

int
entry_list_load(const char *dir, struct entry_list *list_r,
    void (*remark)(const char *text, void *arg), void *arg, struct why *why)
{
	char path[CONF_PATH_MAX];
	struct lines lines;
	struct span line;
	char *text = NULL;
	unsigned number;
	size_t max = 0;
	int error;

	*list_r = (struct entry_list){ .arena = arena_new(LIST_MEMORY_MAX) };
	snprintf(path, sizeof(path), "%s/master.cf", dir);
	error = lines_read(path, &lines, &text, why);
	while (!error && lines_next(&lines, &line, &number)) {
		struct entry_text e;

		if (is_white(*line.p)) {
			remark_orphan(dir, line, remark, arg);
			continue;
		}
		error = entry_parse(line, number, list_r->arena, &e, why);
		if (!error)
			append(list_r, &e, &max);
	}
	free(text);
	if (error)
		entry_list_free(list_r);
	return error;
}

void
entry_list_free(struct entry_list *list)
{
	free(list->at);
	arena_free(list->arena);
	*list = (struct entry_list){ 0 };
}

static bool
is_meant(struct span pattern, const char *text)
{
	return span_eq(pattern, SPAN("*")) || span_eq(pattern, span_str(text));
}

bool
entry_is(const struct entry_text *e, struct span name, struct span type)
{
	return is_meant(name, e->field[0]) && is_meant(type, e->field[1]);
}

bool
entry_next_param(const struct entry_text *e, size_t *at, size_t *place_r)
{
	while (*at + 1 < e->options_n) {
		size_t i = (*at)++;

		if (strcmp(e->arg[i], "-o") != 0)
			continue;
		*place_r = (*at)++;
		if (strchr(e->arg[*place_r], '='))
			return true;
	}
	return false;
}

const char *
entry_param(const struct entry_text *e, struct span name)
{
	const char *value = NULL;
	size_t at = 0, place;

	while (entry_next_param(e, &at, &place)) {
		struct span rest = span_str(e->arg[place]);

		if (span_eq(span_cut(&rest, '='), name))
			value = rest.p;
	}
	return value;
}

static bool
wants_braces(const char *arg)
{
	return strpbrk(arg, " \t\r\n\v\f") != NULL;
}

/* All fields but the command, and the blanks before that. */
static size_t
put_fields(FILE *out, const struct entry_text *e)
{
	static const size_t column[SERVICE_FIELDS_N] = { 0, 11, 17, 25, 33, 41,
		49, 57 };
	size_t at = 0;

	for (size_t i = 0; i < SERVICE_FIELDS_N - 1; i++) {
		size_t next = column[i + 1];
		size_t end = at + strlen(e->field[i]);
		size_t gap = end < next ? next - end : 1;

		fprintf(out, "%s%*s", e->field[i], (int)gap, "");
		at = end + gap;
	}
	return at;
}

static bool
is_dash_o(const struct entry_text *e, size_t i)
{
	return i < e->options_n && strcmp(e->arg[i], "-o") == 0;
}

/* Each -o has a line of its own; whatever its length, a folded line ends there. */
static bool
begins_line(const struct entry_text *e, size_t i)
{
	return is_dash_o(e, i) || (i > 1 && is_dash_o(e, i - 2));
}

static void
put_arg(FILE *out, const char *arg)
{
	fprintf(out, wants_braces(arg) ? "{%s}" : "%s", arg);
}

/* The width is Postfix's: a word ends before the last column, a brace may be in it. */
void
entry_put_command(FILE *out, const struct entry_text *e, size_t at, bool folded)
{
	const char *command = e->field[SERVICE_FIELDS_N - 1];

	fputs(command, out);
	at += strlen(command);
	for (size_t i = 0; i < e->n; i++) {
		size_t braces = wants_braces(e->arg[i]) ? 2 : 0;
		size_t n = strlen(e->arg[i]) + braces;
		bool is_value = i > 0 && i < e->options_n &&
		    is_dash_o(e, i - 1);

		if (folded && !is_value &&
		    (begins_line(e, i) ||
			at + 1 + n - braces / 2 >= ENTRY_LINE_WIDTH)) {
			fprintf(out, "\n%*s", INDENT, "");
			at = INDENT;
		} else {
			fputc(' ', out);
			at++;
		}
		put_arg(out, e->arg[i]);
		at += n;
	}
}

void
entry_put(FILE *out, const struct entry_text *e, bool folded)
{
	size_t at = put_fields(out, e);

	entry_put_command(out, e, at, folded);
	fputc('\n', out);
}

char *
entry_command(const struct entry_text *e)
{
	size_t size = strlen(e->field[SERVICE_FIELDS_N - 1]) + 1;
	char *text;
	FILE *out;

	for (size_t i = 0; i < e->n; i++)
		size += strlen(e->arg[i]) + sizeof(" {}");
	text = arena_alloc(e->arena, size);
	out = text ? fmemopen(text, size, "w") : NULL;
	if (!out)
		die("master.cf: too large");
	entry_put_command(out, e, 0, false);
	fclose(out);
	return text;
}

/* Reads the entry again from its fields, one of which is another. */
int
entry_set_field(struct entry_text *e, size_t field, struct span value,
    struct why *why)
{
	const char *part[SERVICE_FIELDS_N];
	size_t n = 1;
	struct buf line;
	char *storage;
	int error;

	memcpy(part, e->field, sizeof(part));
	part[SERVICE_FIELDS_N - 1] = entry_command(e);
	part[field] = dup(e, value);
	for (size_t i = 0; i < SERVICE_FIELDS_N; i++)
		n += strlen(part[i]) + 1;
	storage = zalloc(n);
	buf_init(&line, storage, n);
	for (size_t i = 0; i < SERVICE_FIELDS_N; i++) {
		buf_put(&line, span_str(part[i]));
		buf_put(&line, SPAN(" "));
	}
	if (field < SERVICE_FIELDS_N - 1 &&
	    (value.n == 0 || strpbrk(part[field], " \t\r\n\v\f")))
		error = why_set(why, EINVAL, NULL, 0,
		    "\"%s\": bad %s; allowed is one word", part[field],
		    entry_field_names[field]);
	else
		error = entry_parse(buf_span(&line), e->line, e->arena, e, why);
	free(storage);
	return error;
}

/* Whether the text is "name=..." */
static bool
sets(const char *text, struct span name)
{
	return strncmp(text, name.p, name.n) == 0 && text[name.n] == '=';
}

int
entry_set_param(struct entry_text *e, struct span name, struct span value,
    struct why *why)
{
	size_t n = name.n + 1 + value.n;
	char *text = arena_alloc(e->arena, n + 1);
	const char **arg;
	size_t at = 0, place;
	bool done = false;

	for (size_t i = 0; i < value.n; i++)
		if (is_white(value.p[i]))
			return why_set(why, EINVAL, NULL, 0,
			    "-Pe does not accept whitespace in parameter "
			    "value");
	if (!text)
		die("master.cf: too large");
	snprintf(text, n + 1, "%.*s=%.*s", (int)name.n, name.p, (int)value.n,
	    value.p);
	while (entry_next_param(e, &at, &place))
		if (sets(e->arg[place], name)) {
			e->arg[place] = text;
			done = true;
		}
	if (done)
		return 0;
	arg = arena_alloc(e->arena, (e->n + 2) * sizeof(*arg));
	if (!arg)
		die("master.cf: too large");
	for (size_t i = 0; i < e->n; i++)
		arg[i < e->options_n ? i : i + 2] = e->arg[i];
	arg[e->options_n] = "-o";
	arg[e->options_n + 1] = text;
	e->arg = arg;
	e->n += 2;
	e->options_n += 2;
	return 0;
}

void
entry_remove_param(struct entry_text *e, struct span name)
{
	size_t at = 0, place;

	while (entry_next_param(e, &at, &place))
		if (sets(e->arg[place], name)) {
			for (size_t i = place + 1; i < e->n; i++)
				e->arg[i - 2] = e->arg[i];
			e->n -= 2;
			e->options_n -= 2;
			at -= 2;
		}
}
