#include "dict/memory.h"

enum {
	MEMORY_MAX = 1 << 30, /* bytes of a table that is all in memory */
};

struct entry {
	struct hash_link link;
	struct span key;
	struct span value;
};

static struct span
entry_key(struct hash_link *l)
{
	return container_of(l, struct entry, link)->key;
}

void
memory_init(struct memory *m)
{
	m->arena = arena_new(MEMORY_MAX);
	hash_init(&m->keys, entry_key);
}

void
memory_fini(struct memory *m)
{
	hash_fini(&m->keys);
	m->arena = arena_free(m->arena);
}

static enum memory_result
add(struct memory *m, struct span key, struct span value, bool replace)
{
	char *k = arena_dup(m->arena, key);
	char *v = arena_dup(m->arena, value);
	struct entry *e = ARENA_NEW(m->arena, struct entry);
	struct hash_link *old;

	if (!k || !v || !e)
		return MEMORY_FULL;
	for (size_t i = 0; i < key.n; i++)
		k[i] = ascii_lower(k[i]);
	e->key = (struct span){ k, key.n };
	e->value = (struct span){ v, value.n };
	old = hash_find(&m->keys, e->key);
	if (!old)
		hash_add(&m->keys, &e->link);
	else if (replace)
		container_of(old, struct entry, link)->value = e->value;
	return old ? MEMORY_TWICE : MEMORY_ADDED;
}

enum memory_result
memory_add(struct memory *m, struct span key, struct span value)
{
	return add(m, key, value, false);
}

enum memory_result
memory_set(struct memory *m, struct span key, struct span value)
{
	return add(m, key, value, true);
}

bool
memory_find(const struct memory *m, struct span key, struct span *value_r)
{
	struct hash_link *l = hash_find(&m->keys, key);

	if (!l)
		return false;
	*value_r = container_of(l, struct entry, link)->value;
	return true;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct memory_dict *t = container_of(d, struct memory_dict, dict);
	struct span value;

	if (!memory_find(&t->memory, key, &value))
		return DICT_ABSENT;
	return dict_give(value, arena, value_r, why);
}

static void
close_it(struct dict *d)
{
	memory_fini(&container_of(d, struct memory_dict, dict)->memory);
}

struct memory_dict *
memory_dict_new(const char *type, const char *name, unsigned flags)
{
	static const struct dict_ops ops = {
		.get = get,
		.close = close_it,
		.quick = true,
	};
	struct memory_dict *t = zalloc(sizeof(*t));

	dict_init(&t->dict, &ops, type, name, flags);
	memory_init(&t->memory);
	return t;
}
