/*
 * Asking tables: -q, -s and -d.
 */
#include "base/base64.h"
#include "dict/build.h"
#include "dict/dict.h"
#include "tools/maps/postmap.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	TABLES_MAX = 1000,
};

/* The tables of -q, which are asked in their order. */
struct asked {
	const struct options *o;
	char **given;
	size_t n;
	struct dict **d; /* NULL: not opened yet */
	struct arena *arena;
	bool any; /* something was found */
};

static struct dict *
open_table(const struct options *o, const char *given)
{
	char table[TABLE_NAME_MAX];
	struct why why;
	struct dict *d;

	postmap_name(o, given, table);
	d = dict_open(table, o->no_fold ? DICT_NO_FOLD : 0, &why);
	if (!d)
		postmap_fatal("%s", why.text);
	return d;
}

/* With -F a value is what was in a file, good until the next one. False: it is not. */
static bool
decode(const struct options *o, const char *table, struct span key,
    struct span *value)
{
	static char *storage;
	struct buf out;

	if (!o->files)
		return true;
	free(storage);
	storage = zalloc(value->n + 1);
	buf_init(&out, storage, value->n + 1);
	if (base64_take(*value, &out)) {
		*value = buf_span(&out);
		return true;
	}
	postmap_warn("table %s: key %s: malformed BASE64 value: %s", table,
	    postmap_show(key), value->p);
	return false;
}

static void
print_row(const struct options *o, struct span key, struct span value)
{
	fwrite(key.p, 1, key.n, stdout);
	fputs(o->aliases ? ":\t" : "\t", stdout);
	fwrite(value.p, 1, value.n, stdout);
	putchar('\n');
}

/* Whether one of them has a value, which is then printed. */
static bool
ask(struct asked *a, struct span key, bool with_key)
{
	for (size_t i = 0; i < a->n; i++) {
		struct span value;
		struct why why;

		if (!a->d[i])
			a->d[i] = open_table(a->o, a->given[i]);
		arena_reset(a->arena);
		switch (dict_get(a->d[i], key, a->arena, &value, &why)) {
		case DICT_FOUND:
			break;
		case DICT_ABSENT:
			continue;
		case DICT_TEMPFAIL:
			postmap_fatal("table %s: query error: %s",
			    dict_name(a->d[i]), why.text);
		}
		if (!decode(a->o, dict_name(a->d[i]), key, &value))
			postmap_fatal("table %s: query error",
			    dict_name(a->d[i]));
		if (with_key)
			print_row(a->o, key, value);
		else
			printf("%.*s\n", (int)value.n, value.p);
		return true;
	}
	return false;
}

static bool
is_key(const struct options *o, const char *table, struct span key)
{
	if (postmap_text_is_good(o, key))
		return true;
	postmap_warn("%s: non-UTF-8 key \"%s\": malformed UTF-8 or invalid "
		     "codepoint",
	    table, postmap_show(key));
	return false;
}

static void
ask_key(struct span key, void *arg)
{
	struct asked *a = arg;

	if (is_key(a->o, a->given[0], key) && ask(a, key, true))
		a->any = true;
}

/* Keys from standard input, a line each. */
static void
each_line(void (*fn)(struct span key, void *arg), void *arg)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		struct span key = { line, (size_t)len };

		if (key.p[key.n - 1] == '\n')
			key.n--;
		fn(key, arg);
	}
	free(line);
}

bool
ask_tables(const struct options *o, char **given, size_t n)
{
	struct asked a = { .o = o, .given = given, .n = n };
	bool many = strcmp(o->query, "-") == 0;

	if (n == 0 || n > TABLES_MAX)
		return false;
	a.d = zalloc(n * sizeof(struct dict *));
	a.arena = arena_new(VALUE_MAX);
	for (size_t i = 0; many && i < n; i++)
		a.d[i] = open_table(o, given[i]);
	if (!many)
		a.any = is_key(o, given[0], span_str(o->query)) &&
		    ask(&a, span_str(o->query), false);
	else if (o->headers || o->body)
		message_each(o, ask_key, &a);
	else
		each_line(ask_key, &a);
	for (size_t i = 0; i < n; i++)
		dict_close(a.d[i]);
	free(a.d);
	arena_free(a.arena);
	return a.any;
}

struct remover {
	const struct options *o;
	struct dict_build **build;
	size_t n;
	bool any;
};

static void
remove_key(struct span key, void *arg)
{
	struct remover *r = arg;
	char *low = zalloc(key.n + 1);

	for (size_t i = 0; i < key.n; i++)
		low[i] = r->o->no_fold ? key.p[i] : ascii_lower(key.p[i]);
	for (size_t i = 0; i < r->n; i++)
		if (dict_build_remove(r->build[i], (struct span){ low, key.n }))
			r->any = true;
	free(low);
}

/* A table that does not take changes, or is not there. */
static struct dict_build *
begin_change(const struct options *o, const char *given)
{
	char table[TABLE_NAME_MAX];
	struct dict_build *b;
	struct why why;
	struct dict *d;

	postmap_name(o, given, table);

	struct span type = { table, strcspn(table, ":") };

	/* Nothing is made where nothing was. */
	d = open_table(o, given);
	dict_close(d);
	if (!dict_can_build(type))
		postmap_fatal("%s map requires O_RDONLY access mode", table);
	b = dict_build_begin(table, 0644,
	    DICT_BUILD_CHANGE | (o->nul ? DICT_BUILD_NUL : 0u) |
		(o->no_nul ? DICT_BUILD_NO_NUL : 0u),
	    &why);
	if (!b)
		postmap_fatal("%s", why.text);
	return b;
}

bool
ask_remove(const struct options *o, char **given, size_t n)
{
	struct remover r = { .o = o, .n = n };
	struct why why;

	if (n == 0 || n > TABLES_MAX)
		return false;
	r.build = zalloc(n * sizeof(struct dict_build *));
	for (size_t i = 0; i < n; i++)
		r.build[i] = begin_change(o, given[i]);
	if (strcmp(o->remove, "-") == 0)
		each_line(remove_key, &r);
	else
		remove_key(span_str(o->remove), &r);
	for (size_t i = 0; i < n; i++)
		if (!r.any)
			dict_build_abort(r.build[i]);
		else if (dict_build_commit(r.build[i], &why) < 0)
			postmap_fatal("%s", why.text);
	free(r.build);
	return r.any;
}

struct lister {
	const struct options *o;
	const char *table;
};

static void
list_row(struct span key, struct span value, void *arg)
{
	const struct lister *l = arg;

	if (decode(l->o, l->table, key, &value))
		print_row(l->o, key, value);
}

void
ask_list(const struct options *o, const char *table)
{
	struct lister l = { o, table };
	struct why why;

	if (dict_each(table, list_row, &l, &why) < 0)
		postmap_fatal("%s", why.text);
}
