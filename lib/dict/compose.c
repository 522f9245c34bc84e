/*
 * Tables made of others: unionmap:{type:name, ...} asks all and puts what they say
 * side by side; pipemap:{...} asks each for what the one before it said; and debug:
 * type:name tells the log of each question. One that could not find out, or that
 * waits for others, makes the whole so. randmap: takes one of its values by chance.
 */
#include "base/log.h"
#include "base/scan.h"
#include "dict/private.h"

#include <errno.h>
#include <sys/random.h>

enum {
	TABLES_MAX = 100,
	NAME_SIZE = 1024,
	DEPTH_MAX = 8, /* tables within tables */
};

struct compound {
	struct dict dict;
	size_t n;
	struct dict *d[];
};

static struct compound *
compound_of(struct dict *d)
{
	return container_of(d, struct compound, dict);
}

static enum dict_result
join(struct arena *arena, struct span a, struct span b, struct span *all_r,
    struct why *why)
{
	char *text = arena_alloc(arena, a.n + 1 + b.n);

	if (!text) {
		(void)why_set(why, ENOMEM, NULL, 0,
		    "a value of %zu bytes is too long", a.n + 1 + b.n);
		return DICT_TEMPFAIL;
	}
	memcpy(text, a.p, a.n);
	text[a.n] = ',';
	memcpy(text + a.n + 1, b.p, b.n);
	*all_r = (struct span){ text, a.n + 1 + b.n };
	return DICT_FOUND;
}

static enum dict_result
get_union(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	struct compound *c = compound_of(d);
	enum dict_result all = DICT_ABSENT;
	struct span value;

	for (size_t i = 0; i < c->n; i++) {
		enum dict_result result = dict_get(c->d[i], key, arena, &value,
		    why);

		if (result == DICT_ABSENT)
			continue;
		if (result == DICT_FOUND && all == DICT_FOUND)
			result = join(arena, *value_r, value, &value, why);
		if (result == DICT_TEMPFAIL)
			return result;
		*value_r = value;
		all = DICT_FOUND;
	}
	return all;
}

static enum dict_result
get_pipe(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	struct compound *c = compound_of(d);
	enum dict_result result = DICT_ABSENT;

	for (size_t i = 0; i < c->n; i++) {
		result = dict_get(c->d[i], key, arena, value_r, why);
		if (result != DICT_FOUND)
			break;
		key = *value_r;
	}
	return result;
}

static enum dict_result
get_debug(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	struct dict *inner = compound_of(d)->d[0];
	enum dict_result result = dict_get(inner, key, arena, value_r, why);
	int n = (int)(key.n < 200 ? key.n : 200);

	switch (result) {
	case DICT_FOUND:
		log_info("%s lookup: \"%.*s\" = \"%.*s\"", inner->name, n,
		    key.p, (int)(value_r->n < 400 ? value_r->n : 400),
		    value_r->p);
		break;
	case DICT_ABSENT:
		log_info("%s lookup: \"%.*s\" = not_found", inner->name, n,
		    key.p);
		break;
	case DICT_TEMPFAIL:
		log_info("%s lookup: \"%.*s\" = error: %s", inner->name, n,
		    key.p, why->text);
		break;
	}
	return result;
}

static void
close_it(struct dict *d)
{
	struct compound *c = compound_of(d);

	for (size_t i = 0; i < c->n; i++)
		dict_close(c->d[i]);
}

static bool
has_changed(const struct dict *d)
{
	const struct compound *c = compound_of((struct dict *)(uintptr_t)d);

	for (size_t i = 0; i < c->n; i++)
		if (dict_changed(c->d[i]))
			return true;
	return false;
}

static void
each_file(const struct dict *d, void (*fn)(const char *file, void *arg),
    void *arg)
{
	const struct compound *c = compound_of((struct dict *)(uintptr_t)d);

	for (size_t i = 0; i < c->n; i++)
		dict_each_file(c->d[i], fn, arg);
}

static const struct dict_ops union_ops = {
	.get = get_union,
	.close = close_it,
	.changed = has_changed,
	.each_file = each_file,
	.quick = true,
	.raw_key = true,
};

static const struct dict_ops pipe_ops = {
	.get = get_pipe,
	.close = close_it,
	.changed = has_changed,
	.each_file = each_file,
	.quick = true,
	.raw_key = true,
};

static const struct dict_ops debug_ops = {
	.get = get_debug,
	.close = close_it,
	.changed = has_changed,
	.each_file = each_file,
	.quick = true,
	.raw_key = true,
};

static struct compound *
new_compound(const struct dict_ops *ops, const char *type, const char *name,
    unsigned flags, size_t max)
{
	struct compound *c = zalloc(sizeof(*c) + max * sizeof(struct dict *));

	dict_init(&c->dict, ops, type, name, flags);
	return c;
}

/* Opens one more, within the bound of tables within tables. */
static bool
add_table(struct compound *c, struct span name, struct why *why)
{
	static unsigned depth;
	char text[NAME_SIZE];
	struct dict *d = NULL;

	if (name.n >= sizeof(text) || c->n == TABLES_MAX ||
	    depth == DEPTH_MAX) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "%.200s: too long, or too many tables in it", c->dict.name);
		return false;
	}
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	depth++;
	d = dict_open(text, c->dict.flags, why);
	depth--;
	if (!d)
		return false;
	c->d[c->n++] = d;
	c->dict.slow = c->dict.slow || !dict_is_quick(d);
	c->dict.is_pattern = c->dict.is_pattern || dict_is_pattern(d);
	return true;
}

/* Cuts "type:name", whose name may have { braces } with anything in them. */
static struct span
cut_name(struct span *rest)
{
	struct span name;
	size_t depth = 0, n = 0;

	while (rest->n > 0 && (is_white(*rest->p) || *rest->p == ',')) {
		rest->p++;
		rest->n--;
	}
	for (; n < rest->n; n++) {
		char c = rest->p[n];

		if (depth == 0 && (is_white(c) || c == ','))
			break;
		depth += c == '{';
		depth -= c == '}' && depth > 0;
	}
	name = (struct span){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	return name;
}

static struct dict *
refuse(const char *type, const char *name, const char *what, struct why *why)
{
	(void)why_set(why, EINVAL, NULL, 0,
	    "bad syntax: \"%s:%.200s\"; need \"%s:{%s...}\"", type, name, type,
	    what);
	return NULL;
}

/* What stands between the outermost braces. */
static bool
inside(const char *name, struct span *rest_r)
{
	size_t n = strlen(name);

	if (n < 2 || name[0] != '{' || name[n - 1] != '}')
		return false;
	*rest_r = trim_white((struct span){ name + 1, n - 2 });
	return rest_r->n > 0;
}

static struct dict *
open_compound(const struct dict_ops *ops, const char *type, const char *name,
    unsigned flags, struct why *why)
{
	struct compound *c;
	struct span rest, one;

	if (!inside(name, &rest))
		return refuse(type, name, "type:name", why);
	c = new_compound(ops, type, name, flags, TABLES_MAX);
	while ((one = cut_name(&rest)).n > 0)
		if (!add_table(c, one, why)) {
			dict_close(&c->dict);
			return NULL;
		}
	if (c->n > 0)
		return &c->dict;
	dict_close(&c->dict);
	return refuse(type, name, "type:name", why);
}

struct dict *
unionmap_open(const char *name, unsigned flags, struct why *why)
{
	return open_compound(&union_ops, "unionmap", name, flags, why);
}

struct dict *
pipemap_open(const char *name, unsigned flags, struct why *why)
{
	return open_compound(&pipe_ops, "pipemap", name, flags, why);
}

struct dict *
debug_open(const char *name, unsigned flags, struct why *why)
{
	struct compound *c = new_compound(&debug_ops, "debug", name, flags, 1);

	if (add_table(c, span_str(name), why))
		return &c->dict;
	dict_close(&c->dict);
	return NULL;
}

struct random {
	struct dict dict;
	size_t n;
	struct span value[TABLES_MAX]; /* in the name */
};

static enum dict_result
get_random(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	const struct random *r = container_of(d, struct random, dict);
	uint32_t any;

	(void)key;
	if (getrandom(&any, sizeof(any), 0) != sizeof(any))
		any = 0;
	return dict_give(r->value[any % r->n], arena, value_r, why);
}

/* randmap:{value, ...} says one of them, whatever the key. */
struct dict *
randmap_open(const char *name, unsigned flags, struct why *why)
{
	static const struct dict_ops ops = {
		.get = get_random,
		.quick = true,
		.raw_key = true,
		.any_key = true,
	};
	struct random *r = zalloc(sizeof(*r));
	struct span rest, one;

	dict_init(&r->dict, &ops, "randmap", name, flags);
	if (inside(r->dict.name + sizeof("randmap:") - 1, &rest))
		while (r->n < TABLES_MAX && (one = cut_name(&rest)).n > 0)
			r->value[r->n++] = one;
	if (r->n > 0)
		return &r->dict;
	dict_close(&r->dict);
	return refuse("randmap", name, "value", why);
}
