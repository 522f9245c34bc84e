#include "dict/dict.h"

#include "base/buf.h"
#include "dict/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TYPES_MAX = 64,
	TYPE_NAME_MAX = 32,
	FOLDED_SMALL = 512, /* a longer key is folded in the arena */
};

static const struct dict_type built_in[] = {
	{ "btree", btree_open },
	{ "cdb", cdb_open },
	{ "cidr", cidr_open },
	{ "debug", debug_open },
	{ "environ", environ_open },
	{ "fail", fail_open },
	{ "hash", hash_open },
	{ "inline", inline_open },
	{ "internal", internal_open },
#ifdef HAVE_LMDB
	{ "lmdb", lmdb_open },
#endif
#ifdef HAVE_PCRE
	{ "pcre", pcre_open },
#endif
	{ "pipemap", pipemap_open },
	{ "proxy", proxy_open },
	{ "randmap", randmap_open },
	{ "regexp", regexp_open },
	{ "static", static_open },
	{ "texthash", texthash_open },
	{ "unionmap", unionmap_open },
	{ "unix", unix_open },
};

/* What Postfix has and this build has not. */
static const char *const others[] = { "dbm", "ldap", "lmdb", "memcache",
	"mysql", "nis", "nisplus", "pcre", "pgsql", "sdbm", "socketmap",
	"sqlite", "tcp" };

static const struct dict_type *added[TYPES_MAX];
static size_t added_n;

void
dict_register(const struct dict_type *type)
{
	must(added_n < TYPES_MAX);
	added[added_n++] = type;
}

static const struct dict_type *
find_type(struct span name)
{
	for (size_t i = 0; i < added_n; i++)
		if (span_eq(name, span_str(added[i]->name)))
			return added[i];
	for (size_t i = 0; i < COUNT_OF(built_in); i++)
		if (span_eq(name, span_str(built_in[i].name)))
			return &built_in[i];
	return NULL;
}

static int
compare_names(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

void
dict_each_type(void (*fn)(const char *name, void *arg), void *arg)
{
	const char *names[COUNT_OF(built_in) + TYPES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(built_in); i++)
		names[n++] = built_in[i].name;
	for (size_t i = 0; i < added_n; i++)
		names[n++] = added[i]->name;
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++)
		fn(names[i], arg);
}

struct list {
	struct buf *out;
};

static void
put_name(const char *name, void *arg)
{
	struct list *l = arg;

	buf_putf(l->out, "%s%s", l->out->n > 0 ? ", " : "", name);
}

static bool
is_other(struct span type)
{
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (span_eq(type, span_str(others[i])))
			return true;
	return false;
}

static struct dict *
refuse_type(struct span type, const char *all, struct why *why)
{
	char storage[256];
	struct buf names;

	buf_init(&names, storage, sizeof(storage));
	dict_each_type(put_name, &(struct list){ &names });
	(void)why_set(why, EINVAL, NULL, 0,
	    "%.100s: the table type %.*s is %s; allowed is one of: %.*s", all,
	    (int)(type.n < TYPE_NAME_MAX ? type.n : TYPE_NAME_MAX), type.p,
	    is_other(type) ? "not built" : "not known", (int)names.n, names.p);
	return NULL;
}

struct dict *
dict_open(const char *type_and_name, unsigned flags, struct why *why)
{
	const char *colon = strchr(type_and_name, ':');

	if (!colon || colon == type_and_name) {
		(void)why_set(why, EINVAL, NULL, 0,
		    "%.100s: no table; allowed is type:name", type_and_name);
		return NULL;
	}

	struct span type = { type_and_name, (size_t)(colon - type_and_name) };
	const struct dict_type *t = find_type(type);

	if (!t)
		return refuse_type(type, type_and_name, why);
	return t->open(colon + 1, flags, why);
}

void
dict_init(struct dict *d, const struct dict_ops *ops, const char *type,
    const char *name, unsigned flags)
{
	size_t size = strlen(type) + 1 + strlen(name) + 1;

	d->ops = ops;
	d->name = zalloc(size);
	snprintf(d->name, size, "%s:%s", type, name);
	d->flags = flags;
}

static void (*on_open)(const char *file, const struct stat *st);

void
dict_on_open(void (*fn)(const char *file, const struct stat *st))
{
	on_open = fn;
}

void
dict_tell_file(const char *file, const struct stat *st)
{
	if (on_open)
		on_open(file, st);
}

void
dict_watch(struct dict *d, const char *file, const struct stat *st)
{
	size_t size = strlen(file) + 1;

	free(d->file);
	d->file = zalloc(size);
	memcpy(d->file, file, size);
	d->st = *st;
	dict_tell_file(file, st);
}

struct dict *
dict_close(struct dict *d)
{
	if (!d)
		return NULL;
	if (d->ops->close)
		d->ops->close(d);
	free(d->name);
	free(d->file);
	free(d);
	return NULL;
}

const char *
dict_name(const struct dict *d)
{
	return d->name;
}

enum dict_result
dict_give(struct span value, struct arena *arena, struct span *value_r,
    struct why *why)
{
	char *copy = arena_dup(arena, value);

	if (!copy) {
		(void)why_set(why, ENOMEM, NULL, 0,
		    "a value of %zu bytes is too long", value.n);
		return DICT_TEMPFAIL;
	}
	*value_r = (struct span){ copy, value.n };
	return DICT_FOUND;
}

static enum dict_result
refuse_key(struct span key, struct why *why)
{
	(void)why_set(why, ENOMEM, NULL, 0, "a key of %zu bytes is too long",
	    key.n);
	return DICT_TEMPFAIL;
}

static dict_ask_fn *on_ask;

void
dict_on_ask(dict_ask_fn *fn)
{
	on_ask = fn;
}

void
dict_set_origin(struct dict *d, size_t parameter, size_t element)
{
	d->parameter = parameter;
	d->element = element;
}

bool
dict_is_remote(const struct dict *d)
{
	return d->remote;
}

enum dict_result
dict_get(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	char small[FOLDED_SMALL];
	char *folded = small;

	/* What is longer than any key that is stored is in no table. */
	if (key.n > DICT_KEY_MAX ||
	    (key.n == 0 && !d->ops->any_key && !d->ops->pattern &&
		!d->ops->raw_key))
		return DICT_ABSENT;
	if (d->remote && on_ask)
		return on_ask(d->parameter, d->element, key, arena, value_r,
		    why);
	if ((d->flags & DICT_NO_FOLD) || d->ops->pattern || d->ops->raw_key)
		return d->ops->get(d, key, arena, value_r, why);
	if (key.n > sizeof(small)) {
		folded = arena_alloc(arena, key.n);
		if (!folded)
			return refuse_key(key, why);
	}
	for (size_t i = 0; i < key.n; i++)
		folded[i] = ascii_lower(key.p[i]);
	return d->ops->get(d, (struct span){ folded, key.n }, arena, value_r,
	    why);
}

bool
dict_is_quick(const struct dict *d)
{
	return d->ops->quick && !d->slow;
}

bool
dict_is_pattern(const struct dict *d)
{
	return d->ops->pattern || d->is_pattern;
}

bool
dict_changed(const struct dict *d)
{
	struct stat st;

	if (d->ops->changed)
		return d->ops->changed(d);
	if (!d->file)
		return false;
	if (stat(d->file, &st) < 0)
		return false; /* in the middle of a change: what is open holds */
	return st.st_ino != d->st.st_ino || st.st_dev != d->st.st_dev ||
	    st.st_size != d->st.st_size ||
	    st.st_mtim.tv_sec != d->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != d->st.st_mtim.tv_nsec;
}

const char *
dict_file(const struct dict *d)
{
	return d->file;
}

void
dict_each_file(const struct dict *d, void (*fn)(const char *file, void *arg),
    void *arg)
{
	if (d->ops->each_file)
		d->ops->each_file(d, fn, arg);
	else if (d->file)
		fn(d->file, arg);
}
