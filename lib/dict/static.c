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

static const struct dict_ops ops = { .get = get, .quick = true };

struct dict *
static_open(const char *name, unsigned flags, struct why *why)
{
	struct fixed *f = zalloc(sizeof(*f));

	(void)why;
	dict_init(&f->dict, &ops, "static", name, flags);
	f->value.p = f->dict.name + sizeof("static:") - 1;
	f->value.n = strlen(f->value.p);
	if (f->value.n >= 2 && f->value.p[0] == '{' &&
	    f->value.p[f->value.n - 1] == '}') {
		f->value.p++;
		f->value.n -= 2;
		while (f->value.n > 0 && is_white(f->value.p[0])) {
			f->value.p++;
			f->value.n--;
		}
		while (f->value.n > 0 && is_white(f->value.p[f->value.n - 1]))
			f->value.n--;
	}
	return &f->dict;
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
