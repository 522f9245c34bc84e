/*
 * inline: a table that stands in main.cf itself: inline:{ key=value, { key =
 * text with blanks }, ... }.
 */
#include "conf/conf.h"
#include "dict/memory.h"
#include "dict/private.h"

#include <errno.h>

struct inlined {
	struct dict dict;
	struct memory memory;
};

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct inlined *t = container_of(d, struct inlined, dict);
	struct span value;

	if (!memory_find(&t->memory, key, &value))
		return DICT_ABSENT;
	return dict_give(value, arena, value_r, why);
}

static void
close_it(struct dict *d)
{
	memory_fini(&container_of(d, struct inlined, dict)->memory);
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.quick = true,
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span
trimmed(struct span s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static int
fill(struct inlined *t, struct span rest, struct why *why)
{
	struct span pair;

	while (conf_list_next(&rest, &pair)) {
		struct span value = pair;
		struct span key = trimmed(span_cut(&value, '='));

		value = trimmed(value);
		if (key.n == 0 || value.n == 0)
			return why_set(why, EINVAL, NULL, 0,
			    "inline: bad element \"%.*s\"; allowed is "
			    "key=value or { key = value }",
			    (int)(pair.n < 80 ? pair.n : 80), pair.p);
		if (memory_add(&t->memory, key, value) == MEMORY_FULL)
			return why_set(why, ENOMEM, NULL, 0,
			    "inline: the table is too large");
	}
	return 0;
}

struct dict *
inline_open(const char *name, unsigned flags, struct why *why)
{
	struct span s = trimmed((struct span){ name, strlen(name) });

	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}') {
		(void)why_set(why, EINVAL, NULL, 0,
		    "inline:%.80s: allowed is inline:{ key=value, ... }", name);
		return NULL;
	}

	struct inlined *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, "inline", name, flags);
	memory_init(&t->memory);
	if (fill(t, (struct span){ s.p + 1, s.n - 2 }, why) < 0) {
		dict_close(&t->dict);
		return NULL;
	}
	return &t->dict;
}
