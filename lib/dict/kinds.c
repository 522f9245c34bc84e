#include "dict/kinds.h"

#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>

static const struct kind *const kinds[] = {
#ifdef HAVE_BERKELEY_DB
	&btree_kind,
	&hash_kind,
#endif
	&cdb_kind,
#ifdef HAVE_LMDB
	&lmdb_kind,
#endif
};

/* What hash: and btree: are made as; NULL: as themselves. */
static const struct kind *instead
#ifndef HAVE_BERKELEY_DB
    = &cdb_kind
#endif
    ;

static const struct kind *
find(struct span type)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (span_eq(type, span_str(kinds[i]->type)))
			return kinds[i];
	return NULL;
}

const struct kind *
kinds_find(struct span type)
{
	if (instead &&
	    (span_eq(type, SPAN("hash")) || span_eq(type, SPAN("btree"))))
		return instead;
	return find(type);
}

bool
dict_made_file(const char *type_and_name, char *path, size_t size)
{
	size_t n = strcspn(type_and_name, ":");
	const struct kind *kind = kinds_find((struct span){ type_and_name, n });

	return kind && type_and_name[n] != '\0' &&
	    snprintf(path, size, "%s%s", type_and_name + n + 1, kind->suffix) <
	    (int)size;
}

int
dict_configure(const struct conf *c, struct why *why)
{
	const char *type = conf_get(c, "berkeley_db_type", why);

	if (!type)
		return -EINVAL;
	instead = strcmp(type, "native") == 0 ? NULL : find(span_str(type));
	if (instead ||
	    (strcmp(type, "native") == 0 && kinds_find(SPAN("hash"))))
		return 0;
	return why_set(why, EINVAL, NULL, 0,
	    "berkeley_db_type = %.40s: not built into this program", type);
}

enum dict_result
kinds_get(kinds_find_fn *find_it, void *table, struct kinds_nul *nul,
    struct span key, struct span *value_r, struct why *why)
{
	enum dict_result result = DICT_ABSENT;

	if (!nul->never) {
		memcpy(nul->key, key.p, key.n);
		nul->key[key.n] = '\0';
		result = find_it(table, (struct span){ nul->key, key.n + 1 },
		    value_r, why);
		nul->always = nul->always || result == DICT_FOUND;
	}
	if (result == DICT_ABSENT && !nul->always) {
		result = find_it(table, key, value_r, why);
		nul->never = nul->never || result == DICT_FOUND;
	}
	if (result == DICT_FOUND)
		*value_r = kinds_without_nul(*value_r);
	return result;
}

static struct dict *
open_kind(const char *type, const char *name, unsigned flags, struct why *why)
{
	const struct kind *kind = kinds_find(span_str(type));
	char path[KINDS_PATH_MAX];
	struct stat st;

	must(kind);
	snprintf(path, sizeof(path), "%s%s", name, kind->suffix);
	if (stat(path, &st) < 0) {
		(void)why_set(why, errno, NULL, 0,
		    "%s: %s; it is made by: postmap %s:%s", path,
		    strerror(errno), type, name);
		return NULL;
	}
	return kind->open(type, name, path, flags, why);
}

struct dict *
hash_open(const char *name, unsigned flags, struct why *why)
{
	return open_kind("hash", name, flags, why);
}

struct dict *
btree_open(const char *name, unsigned flags, struct why *why)
{
	return open_kind("btree", name, flags, why);
}

struct dict *
cdb_open(const char *name, unsigned flags, struct why *why)
{
	return open_kind("cdb", name, flags, why);
}

struct dict *
lmdb_open(const char *name, unsigned flags, struct why *why)
{
	return open_kind("lmdb", name, flags, why);
}
