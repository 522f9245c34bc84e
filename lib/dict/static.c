/*
 * static: the same value for each key, as static:text or static:{ text with
 * blanks }; and fail: no answer for any, to try out what happens then.
 */
#include "dict/private.h"

#include "base/scan.h"
#include <errno.h>

struct fixed {
	struct dict dict;
	struct span value; /* in the name */
};

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	(void)key;
	return dict_give(container_of(d, struct fixed, dict)->value, arena,
	    value_r, why);
}

static const struct dict_ops ops = {
	.get = get,
	.quick = true,
	.raw_key = true,
	.any_key = true,
};

/* Takes { braces } off. False: they are not whole. */
static bool
take_braces(struct span *s)
{
	const char *end;

	if (s->n == 0 || s->p[0] != '{')
		return true;
	end = memchr(s->p, '}', s->n);
	if (!end || end != s->p + s->n - 1)
		return false;
	*s = trim_white((struct span){ s->p + 1, s->n - 2 });
	return true;
}

struct dict *
static_open(const char *name, unsigned flags, struct why *why)
{
	struct fixed *f = zalloc(sizeof(*f));

	dict_init(&f->dict, &ops, "static", name, flags);
	f->value = span_str(f->dict.name + sizeof("static:") - 1);
	if (take_braces(&f->value))
		return &f->dict;
	dict_close(&f->dict);
	(void)why_set(why, EINVAL, NULL, 0,
	    "bad static:name syntax: \"%.200s\"; allowed is {text}", name);
	return NULL;
}

static enum dict_result
get_nothing(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	(void)key;
	(void)arena;
	(void)value_r;
	(void)why_set(why, EIO, NULL, 0, "%s: has no answers", d->name);
	return DICT_TEMPFAIL;
}

static const struct dict_ops fail_ops = { .get = get_nothing, .quick = true };

struct dict *
fail_open(const char *name, unsigned flags, struct why *why)
{
	struct dict *d = zalloc(sizeof(*d));

	(void)why;
	dict_init(d, &fail_ops, "fail", name, flags);
	return d;
}
