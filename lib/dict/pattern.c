#include "dict/pattern.h"

#include "base/buf.h"
#include "base/scan.h"
#include "dict/rules.h"

#include <errno.h>
#include <stdlib.h>

enum {
	VALUE_MAX = 64 << 10, /* bytes of a value with its groups put in */
};

struct patterns {
	struct dict dict;
	const struct pattern_kind *kind;
	struct rules rules;
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
check_value(struct span value, size_t n, bool may_have_groups, struct why *why)
{
	uint64_t group;

	while (value.n > 0) {
		struct span at = value;

		if (*value.p != '$') {
			value.p++;
			value.n--;
			continue;
		}
		if (!take_dollar(&value, &group) || group > n) {
			(void)why_set(why, EINVAL, NULL, 0,
			    "\"%.*s\": allowed is $1 to $%zu, and $$",
			    (int)(at.n < 20 ? at.n : 20), at.p, n);
			return false;
		}
		if (group > 0 && !may_have_groups) {
			(void)why_set(why, EPERM, NULL, 0,
			    "regular expression substitution is not allowed");
			return false;
		}
	}
	return true;
}

static enum dict_result
give_groups(struct span value, const struct pattern_groups *groups,
    struct arena *arena, struct span *value_r, struct why *why)
{
	struct buf out;
	uint64_t group;
	enum dict_result result;
	char *storage;

	if (value.n == 0 || !memchr(value.p, '$', value.n))
		return dict_give(value, arena, value_r, why);
	storage = zalloc(VALUE_MAX);
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
	for (size_t i = 0; i < t->rules.n;) {
		const struct rule *r = &t->rules.v[i];

		groups.n = 0;

		enum pattern_match match = t->kind->match(r->what, key, &groups,
		    why);
		bool holds = (match == PATTERN_YES) != r->negated;

		if (match == PATTERN_ERROR)
			return DICT_TEMPFAIL;
		if (holds && !r->is_if)
			return give_groups(r->value, &groups, arena, value_r,
			    why);
		i = rules_next(&t->rules, i, holds);
	}
	return DICT_ABSENT;
}

static void
close_it(struct dict *d)
{
	struct patterns *t = container_of(d, struct patterns, dict);

	for (size_t i = 0; i < t->rules.n; i++)
		t->kind->release(t->rules.v[i].what);
	rules_fini(&t->rules);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
	.pattern = true,
};

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

static bool
parse(struct rules *r, struct span line, struct rule *rule, void *arg,
    struct why *why)
{
	const struct patterns *t = arg;
	struct span pattern, flags;
	size_t groups = 0;

	if (!take_pattern(&line, &pattern, &flags))
		return refuse("no pattern; allowed is /pattern/flags value",
		    why);
	if (rule->is_if && line.n > 0)
		return refuse("there is more behind \"if /pattern/\"", why);
	if (!rule->is_if && line.n == 0)
		return refuse("no lookup result", why);
	pattern.p = arena_dup(r->arena, pattern);
	rule->value = (struct span){ arena_dup(r->arena, line), line.n };
	if (!pattern.p || !rule->value.p)
		return refuse("the table is too large", why);
	if (memchr(pattern.p, '\0', pattern.n))
		return refuse("a pattern holds a NUL", why);
	rule->what = t->kind->compile(pattern, flags, &groups, why);
	if (!rule->what)
		return false;
	/* What does not match has no groups. */
	if (check_value(rule->value, rule->negated ? 0 : groups,
		!(t->dict.flags & DICT_NO_GROUPS), why))
		return true;
	t->kind->release(rule->what);
	return false;
}

struct dict *
pattern_open(const struct pattern_kind *kind, const char *name, unsigned flags,
    struct why *why)
{
	struct patterns *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, kind->type, name, flags);
	t->kind = kind;
	if (rules_open(&t->rules, &t->dict, kind->type, name, parse, t, why) ==
	    0)
		return &t->dict;
	dict_close(&t->dict);
	return NULL;
}
