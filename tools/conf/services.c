/* master.cf: what it says (-M, -F, -P), and edits of it. */
#include "tools/conf/postconf.h"

#include "conf/master_edit.h"
#include "tools/json_out.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	NAME_SIZE = 1024,
};

/* "name/type/key", of which what is missing means any. */
struct pattern {
	struct span part[3];
	size_t n;
};

static const char *
usage_of(const struct request *r)
{
	return r->has['M'] ? "-M option requires service_name[/type]"
	    : r->has['F']  ? "-F option requires service_name[/type[/field]]"
			   : "-P option requires "
			     "service_name[/type[/parameter]]";
}

static struct pattern
parse_pattern(const struct request *r, const char *text)
{
	struct pattern p = { { SPAN_INIT("*"), SPAN_INIT("*"), SPAN_INIT("*") },
		0 };
	size_t max = r->has['M'] ? 2 : 3;
	struct span rest = span_str(text);

	do {
		if (p.n == max)
			fatal("%s", usage_of(r));
		p.part[p.n++] = span_cut(&rest, '/');
	} while (rest.n > 0);
	if (r->has['F'] && !span_eq(p.part[2], SPAN("*")) &&
	    entry_field(p.part[2]) == SERVICE_FIELDS_N)
		fatal("invalid service attribute name: \"%.*s\"",
		    (int)p.part[2].n, p.part[2].p);
	return p;
}

static bool
means_key(const struct pattern *p, struct span key)
{
	return span_eq(p->part[2], SPAN("*")) || span_eq(p->part[2], key);
}

/* Shows what an entry has of a pattern; how many were shown. */
typedef size_t show_fn(const struct request *r, const struct files *f,
    const struct entry_text *e, const struct pattern *p);

/* In the order of the file, and for each entry in that of the patterns. */
static int
show_meant(const struct request *r, const struct files *f, show_fn *fn)
{
	static const char *const any[] = { "*" };
	const char *const *name = r->n > 0 ? r->name : any;
	size_t n = r->n > 0 ? r->n : 1;
	struct pattern *p = zalloc(n * sizeof(*p));
	size_t *shown = zalloc(n * sizeof(*shown));

	for (size_t i = 0; i < n; i++)
		p[i] = parse_pattern(r, name[i]);
	for (size_t j = 0; j < f->entries.n; j++) {
		const struct entry_text *e = &f->entries.at[j];

		for (size_t i = 0; i < n; i++)
			if (entry_is(e, p[i].part[0], p[i].part[1]))
				shown[i] += fn(r, f, e, &p[i]);
	}
	for (size_t i = 0; i < r->n; i++)
		if (shown[i] == 0)
			warn("unmatched request: \"%s\"", name[i]);
	free(p);
	free(shown);
	return EXIT_SUCCESS;
}

/* The entry with the values of its parameters expanded, if that is asked for. */
static struct entry_text
expanded(const struct request *r, const struct files *f,
    const struct entry_text *e, struct arena *a)
{
	struct entry_text copy = *e;
	size_t at = 0, place;

	if (!r->has['x'] || e->n == 0)
		return copy;
	copy.arg = arena_alloc(a, e->n * sizeof(*copy.arg));
	if (!copy.arg)
		fatal("master.cf: too large");
	memcpy(copy.arg, e->arg, e->n * sizeof(*copy.arg));
	while (entry_next_param(e, &at, &place))
		copy.arg[place] = expand_value(r, f, e, e->arg[place], a);
	return copy;
}

static void
put_entry_json(const struct entry_text *e)
{
	for (size_t i = 0; i < SERVICE_FIELDS_N - 1; i++)
		json_pair(i == 0, entry_field_names[i], e->field[i]);
	json_pair(false, "command", e->field[SERVICE_FIELDS_N - 1]);
	printf(", \"arguments\": [");
	for (size_t i = 0; i < e->n; i++) {
		printf(i > 0 ? ", " : "");
		json_out(span_str(e->arg[i]));
	}
	puts("]}");
}

static size_t
show_entry(const struct request *r, const struct files *f,
    const struct entry_text *e, const struct pattern *p)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MEMORY_MAX);
	struct entry_text shown = expanded(r, f, e, a);

	(void)p;
	if (r->has['j'])
		put_entry_json(&shown);
	else
		entry_put(stdout, &shown, r->has['f']);
	return 1;
}

/* Under "name/type/key", or in JSON each part apart. */
static void
put_part(const struct request *r, const struct entry_text *e, const char *kind,
    struct span key, const char *value)
{
	char name[NAME_SIZE];

	if (!r->has['j']) {
		snprintf(name, sizeof(name), "%s/%s/%.*s", e->field[0],
		    e->field[1], (int)key.n, key.p);
		put_value(r, name, value);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)key.n, key.p);
	json_pair(true, "service", e->field[0]);
	json_pair(false, "type", e->field[1]);
	json_pair(false, kind, name);
	json_pair(false, "value", value);
	puts("}");
}

/* Its blanks stay, and each -o has a line if it is folded. */
static void
put_command(const struct request *r, const struct entry_text *e)
{
	size_t at = r->has['h']
	    ? 0
	    : (size_t)printf("%s/%s/command = ", e->field[0], e->field[1]);

	entry_put_command(stdout, e, at, r->has['f']);
	putchar('\n');
}

static size_t
show_entry_fields(const struct request *r, const struct files *f,
    const struct entry_text *e, const struct pattern *p)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MEMORY_MAX);
	struct entry_text shown = expanded(r, f, e, a);
	size_t n = 0;

	for (size_t i = 0; i < SERVICE_FIELDS_N; i++) {
		struct span key = span_str(entry_field_names[i]);

		if (!means_key(p, key))
			continue;
		if (i < SERVICE_FIELDS_N - 1)
			put_part(r, e, "field", key, e->field[i]);
		else if (r->has['j'] || r->has['H'])
			put_part(r, e, "field", key, entry_command(&shown));
		else
			put_command(r, &shown);
		n++;
	}
	return n;
}

static int
compare_texts(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;
	size_t n = strcspn(*left, "="), m = strcspn(*right, "=");
	int d = memcmp(*left, *right, n < m ? n : m);

	return d ? d : n < m ? -1 : n > m;
}

static size_t
show_entry_params(const struct request *r, const struct files *f,
    const struct entry_text *e, const struct pattern *p)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(VALUE_MEMORY_MAX);
	const char **text = zalloc((e->n + 1) * sizeof(*text));
	size_t n = 0, at = 0, place;

	while (entry_next_param(e, &at, &place)) {
		struct span rest = span_str(e->arg[place]);
		struct span name = span_cut(&rest, '=');

		/* Of several the last one counts. */
		if (means_key(p, name) && entry_param(e, name) == rest.p)
			text[n++] = e->arg[place];
	}
	qsort(text, n, sizeof(*text), compare_texts);
	for (size_t i = 0; i < n; i++) {
		struct span rest = span_str(text[i]);
		struct span name = span_cut(&rest, '=');

		put_part(r, e, "parameter", name,
		    expand_value(r, f, e, rest.p, a));
	}
	free(text);
	return n;
}

int
show_services(const struct request *r, const struct files *f)
{
	return show_meant(r, f, show_entry);
}

int
show_fields(const struct request *r, const struct files *f)
{
	return show_meant(r, f, show_entry_fields);
}

int
show_service_params(const struct request *r, const struct files *f)
{
	return show_meant(r, f, show_entry_params);
}

static void
warn_unmatched(const char *request)
{
	warn("unmatched service_name/type: \"%s\"", request);
}

static enum master_edit
kind_of(const struct request *r)
{
	if (r->has['F'])
		return MASTER_EDIT_SET_FIELD;
	if (r->has['P'])
		return r->has['X'] ? MASTER_EDIT_REMOVE_PARAM
				   : MASTER_EDIT_SET_PARAM;
	return r->has['#'] ? MASTER_EDIT_COMMENT
	    : r->has['X']  ? MASTER_EDIT_REMOVE
			   : MASTER_EDIT_SET;
}

int
edit_services(const struct request *r)
{
	struct why why;

	if (master_edit(r->dir, kind_of(r), r->name, r->n, warn_unmatched,
		&why) < 0)
		fatal("%s", why.text);
	return EXIT_SUCCESS;
}
