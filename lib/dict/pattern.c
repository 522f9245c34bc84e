#include "dict/pattern.h"

#include "base/log.h"
#include "base/scan.h"
#include "dict/source.h"

#include <errno.h>
#include <stdlib.h>

enum {
	VALUE_MAX = 64 << 10, /* bytes of a value with its groups put in */
};

struct rule {
	void *compiled;
	struct span value;
	bool negated;
	bool is_if;
	bool is_plain; /* no dollar in the value */
	size_t end; /* of an if: the rule behind its endif */
	size_t outer; /* of an if: the one around it */
};

struct patterns {
	struct dict dict;
	const struct pattern_kind *kind;
	struct arena *arena;
	struct rule *rule;
	size_t n;
	size_t max;
};

/* Takes $$, $1, ${1} or $(1): a number, 0 for the dollar. */
static bool
take_dollar(struct span *in, uint64_t *group_r)
{
	struct span at = *in;
	char close = '\0';

	if (!take_char(&at, '$'))
		return false;
	if (take_char(&at, '$')) {
		*group_r = 0;
		*in = at;
		return true;
	}
	if (take_char(&at, '{'))
		close = '}';
	else if (take_char(&at, '('))
		close = ')';
	if (!take_number(&at, PATTERN_GROUPS_MAX - 1, group_r) ||
	    *group_r == 0 || (close && !take_char(&at, close)))
		return false;
	*in = at;
	return true;
}

/* Whether all that begins with a dollar is one of the `n` groups. */
static bool
check_value(struct span value, size_t n, struct why *why)
{
	uint64_t group;

	while (value.n > 0) {
		if (*value.p != '$') {
			value.p++;
			value.n--;
			continue;
		}
		if (!take_dollar(&value, &group) || group > n) {
			(void)why_set(why, EINVAL, NULL, 0,
			    "\"%.*s\": allowed is $1 to $%zu, and $$",
			    (int)(value.n < 20 ? value.n : 20), value.p, n);
			return false;
		}
	}
	return true;
}

static enum dict_result
give_groups(struct span value, const struct pattern_groups *groups,
    struct arena *arena, struct span *value_r, struct why *why)
{
	char *storage = zalloc(VALUE_MAX);
	struct buf out;
	uint64_t group;
	enum dict_result result;

	buf_init(&out, storage, VALUE_MAX);
	while (value.n > 0) {
		const char *at = memchr(value.p, '$', value.n);
		size_t n = at ? (size_t)(at - value.p) : value.n;

		buf_put(&out, (struct span){ value.p, n });
		value.p += n;
		value.n -= n;
		if (value.n == 0)
			break;
		must(take_dollar(&value, &group)); /* checked when opened */
		if (group == 0)
			buf_put(&out, SPAN("$"));
		else if (group < groups->n && groups->group[group].p)
			buf_put(&out, groups->group[group]);
	}
	if (out.overflow) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "a value is longer than %d bytes", VALUE_MAX);
		result = DICT_TEMPFAIL;
	} else {
		result = dict_give(buf_span(&out), arena, value_r, why);
	}
	free(storage);
	return result;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct patterns *t = container_of(d, struct patterns, dict);
	struct pattern_groups groups;

	/* The library's sanitizer wants a NUL behind what it only reads. */
	key.p = arena_dup(arena, key);
	if (!key.p) {
		(void)why_set(why, ENOMEM, NULL, 0,
		    "a key of %zu bytes is "
		    "too long",
		    key.n);
		return DICT_TEMPFAIL;
	}
	for (size_t i = 0; i < t->n;) {
		const struct rule *r = &t->rule[i];

		groups.n = 0;

		enum pattern_match match = t->kind->match(r->compiled, key,
		    &groups, why);
		bool holds = (match == PATTERN_YES) != r->negated;

		if (match == PATTERN_ERROR)
			return DICT_TEMPFAIL;
		if (holds && !r->is_if)
			return r->is_plain
			    ? dict_give(r->value, arena, value_r, why)
			    : give_groups(r->value, &groups, arena, value_r,
				  why);
		i = r->is_if && !holds ? r->end : i + 1;
	}
	return DICT_ABSENT;
}

static void
close_it(struct dict *d)
{
	struct patterns *t = container_of(d, struct patterns, dict);

	for (size_t i = 0; i < t->n; i++)
		t->kind->release(t->rule[i].compiled);
	arena_free(t->arena);
	free(t->rule);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
	.pattern = true,
};

static struct rule *
add_rule(struct patterns *t)
{
	if (t->n == t->max) {
		size_t max = t->max ? t->max * 2 : 64;
		struct rule *more = zalloc(max * sizeof(*more));

		if (t->n > 0)
			memcpy(more, t->rule, t->n * sizeof(*more));
		free(t->rule);
		t->rule = more;
		t->max = max;
	}
	return &t->rule[t->n++];
}

/* /pattern/flags, where any character that is no letter may stand for "/". */
static bool
take_pattern(struct span *in, struct span *pattern_r, struct span *flags_r)
{
	char delimiter = in->n > 0 ? *in->p : ' ';
	size_t n = 1;

	if (is_white(delimiter) ||
	    (ascii_lower(delimiter) >= 'a' && ascii_lower(delimiter) <= 'z') ||
	    (delimiter >= '0' && delimiter <= '9') || delimiter == '\\')
		return false;
	while (n < in->n && in->p[n] != delimiter)
		n += in->p[n] == '\\' ? 2 : 1;
	if (n >= in->n)
		return false;
	*pattern_r = (struct span){ in->p + 1, n - 1 };
	in->p += n + 1;
	in->n -= n + 1;
	for (n = 0; n < in->n && !is_white(in->p[n]);)
		n++;
	*flags_r = (struct span){ in->p, n };
	in->p += n;
	in->n -= n;
	skip_white(in);
	return true;
}

static bool
refuse(const char *what, struct why *why)
{
	(void)why_set(why, EINVAL, NULL, 0, "%s", what);
	return false;
}

/* Fills in the value and the pattern of a rule. */
static bool
finish_rule(struct patterns *t, struct rule *r, struct span pattern,
    struct span flags, struct span value, struct why *why)
{
	size_t groups = 0;

	while (value.n > 0 && is_white(value.p[value.n - 1]))
		value.n--;
	pattern.p = arena_dup(t->arena, pattern);
	r->value = (struct span){ arena_dup(t->arena, value), value.n };
	r->is_plain = value.n == 0 || !memchr(value.p, '$', value.n);
	if (!pattern.p || !r->value.p)
		return refuse("the table is too large", why);
	if (memchr(pattern.p, '\0', pattern.n))
		return refuse("a pattern holds a NUL", why);
	r->compiled = t->kind->compile(pattern, flags, &groups, why);
	if (!r->compiled)
		return false;
	/* What does not match has no groups. */
	if (check_value(r->value, r->negated ? 0 : groups, why))
		return true;
	t->kind->release(r->compiled);
	return false;
}

/* A line without "endif"; false with `why` if it is to be skipped. */
static bool
parse_rule(struct patterns *t, struct span line, bool is_if, size_t open,
    struct why *why)
{
	struct rule r = { .is_if = is_if, .outer = open };
	struct span pattern;
	struct span flags;

	skip_white(&line);
	while (take_char(&line, '!')) {
		r.negated = !r.negated;
		skip_white(&line);
	}
	if (!take_pattern(&line, &pattern, &flags))
		return refuse("no pattern; allowed is /pattern/flags value",
		    why);
	if (is_if && line.n > 0)
		return refuse("there is more behind \"if /pattern/\"", why);
	if (!is_if && line.n == 0)
		return refuse("there is no value", why);
	if (!finish_rule(t, &r, pattern, flags, line, why))
		return false;
	*add_rule(t) = r;
	return true;
}

static bool
takes_if(struct span *line)
{
	struct span at = *line;

	if (!take_text(&at, SPAN("if")) || at.n == 0 ||
	    (!is_white(*at.p) && *at.p != '/' && *at.p != '!'))
		return false;
	*line = at;
	return true;
}

static bool
is_endif(struct span line)
{
	return take_text(&line, SPAN("endif")) &&
	    (line.n == 0 || is_white(*line.p));
}

static void
add_line(struct patterns *t, struct span line, const char *file,
    unsigned number, size_t *open)
{
	struct why why = { "\"endif\" without \"if\"" };
	bool ends;
	bool is_if;

	skip_white(&line);
	ends = is_endif(line);
	is_if = !ends && takes_if(&line);
	if (ends && *open != SIZE_MAX) {
		t->rule[*open].end = t->n;
		*open = t->rule[*open].outer;
		return;
	}
	if (!ends && parse_rule(t, line, is_if, *open, &why)) {
		if (is_if)
			*open = t->n - 1;
		return;
	}
	log_warning("%s:%u: %s; the line is skipped", file, number, why.text);
}

static void
read_rules(struct patterns *t, struct lines *lines, const char *file)
{
	struct span line;
	unsigned number;
	size_t open = SIZE_MAX;

	while (lines_next(lines, &line, &number))
		add_line(t, line, file, number, &open);
	while (open != SIZE_MAX) {
		log_warning("%s: \"if\" without \"endif\"", file);
		t->rule[open].end = t->n;
		open = t->rule[open].outer;
	}
}

struct dict *
pattern_open(const struct pattern_kind *kind, const char *name, unsigned flags,
    struct why *why)
{
	struct source source;

	if (source_read(name, &source, why) < 0)
		return NULL;

	struct patterns *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, kind->type, name, flags);
	if (source.is_file)
		dict_watch(&t->dict, name, &source.st);
	t->kind = kind;
	t->arena = arena_new(PATTERN_MEMORY_MAX);
	read_rules(t, &source.lines, name);
	free(source.text);
	return &t->dict;
}
