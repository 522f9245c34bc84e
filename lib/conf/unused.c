#include "base/hash.h"
#include "conf/expand.h"
#include "conf/params.h"
#include "conf/private.h"

#include <stdlib.h>

enum {
	UNUSED_MEMORY_MAX = 16 << 20,
};

/* A name that some value mentions. */
struct mention {
	struct hash_link link;
	struct span name;
};

struct mentions {
	struct arena *arena;
	struct hash names;
	const struct conf *conf;
	conf_name_fn *fn;
	void *arg;
};

static struct span
mention_key(struct hash_link *l)
{
	return container_of(l, struct mention, link)->name;
}

static const char *
note(void *arg, struct span name)
{
	struct mentions *all = arg;
	struct mention *m;

	if (hash_find(&all->names, name))
		return NULL;
	m = ARENA_NEW(all->arena, struct mention);
	if (!m)
		return NULL;
	m->name = (struct span){ arena_dup(all->arena, name), name.n };
	if (m->name.p)
		hash_add(&all->names, &m->link);
	return NULL;
}

static void
note_value(const char *name, const char *raw, void *arg)
{
	(void)name;
	expand_names(span_str(raw), note, arg);
}

/* The classes of restrictions are parameters too. */
static void
note_classes(struct mentions *all)
{
	struct why why;
	const char *list = conf_get(all->conf, "smtpd_restriction_classes",
	    &why);
	struct span rest = { list ? list : "", list ? strlen(list) : 0 };
	struct span name;

	while (conf_list_next(&rest, &name))
		(void)note(all, name);
}

static void
tell(const char *name, const char *raw, void *arg)
{
	const struct mentions *all = arg;
	struct span s = { name, strlen(name) };

	if (!param_find(s) && !param_find_inherited(s) &&
	    !hash_find(&all->names, s))
		all->fn(name, raw, all->arg);
}

void
conf_each_unused(const struct conf *c, conf_name_fn *fn, void *arg)
{
	struct mentions all = { .conf = c, .fn = fn, .arg = arg };

	all.arena = arena_new(UNUSED_MEMORY_MAX);
	hash_init(&all.names, mention_key);
	conf_each(c, note_value, &all);
	note_classes(&all);
	conf_each(c, tell, &all);
	hash_fini(&all.names);
	arena_free(all.arena);
}
