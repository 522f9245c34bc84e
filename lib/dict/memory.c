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

enum memory_result
memory_add(struct memory *m, struct span key, struct span value)
{
	char *k = arena_dup(m->arena, key);
	char *v = arena_dup(m->arena, value);
	struct entry *e = ARENA_NEW(m->arena, struct entry);

	if (!k || !v || !e)
		return MEMORY_FULL;
	for (size_t i = 0; i < key.n; i++)
		k[i] = ascii_lower(k[i]);
	e->key = (struct span){ k, key.n };
	e->value = (struct span){ v, value.n };
	if (hash_find(&m->keys, e->key))
		return MEMORY_TWICE;
	hash_add(&m->keys, &e->link);
	return MEMORY_ADDED;
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
