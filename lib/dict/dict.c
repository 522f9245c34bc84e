#include "dict/dict.h"

#include "base/buf.h"
#include "dict/private.h"
#include "dict/server/conns.h"
#include "dict/server/module.h"

#include <errno.h>
#include <pthread.h>
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
	{ "ldap", ldap_open },
#ifdef HAVE_LMDB
	{ "lmdb", lmdb_open },
#endif
	{ "memcache", memcache_open },
	{ "mysql", mysql_open },
#ifdef HAVE_PCRE
	{ "pcre", pcre_open },
#endif
	{ "pgsql", pgsql_open },
	{ "pipemap", pipemap_open },
	{ "proxy", proxy_open },
	{ "randmap", randmap_open },
	{ "regexp", regexp_open },
	{ "socketmap", socketmap_open },
	{ "sqlite", sqlite_open },
	{ "static", static_open },
	{ "tcp", tcp_open },
	{ "texthash", texthash_open },
	{ "unionmap", unionmap_open },
	{ "unix", unix_open },
};

/* Those that wait for somebody, and those of them that are modules. */
static const char *const remote[] = { "ldap", "memcache", "mysql", "pgsql",
	"proxy", "socketmap", "sqlite", "tcp", "unix" };
static const char *const modular[] = { "ldap", "mysql", "pgsql", "sqlite" };

/* What Postfix has and this build has not. */
static const char *const others[] = { "dbm", "lmdb", "nis", "nisplus", "pcre",
	"sdbm" };

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

static bool
has_name(const char *const *names, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(name, span_str(names[i])))
			return true;
	return false;
}

/* Whether it can be opened: what is a module may not be installed. */
static bool
is_there(const char *name)
{
	return !has_name(modular, COUNT_OF(modular), span_str(name)) ||
	    module_is_there(name);
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
		if (is_there(built_in[i].name))
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

static dict_ask_fn *on_ask;

/* A table that another process opens. */
static enum dict_result
ask_nobody(struct dict *d, struct span key, struct arena *arena,
    struct span *value_r, struct why *why)
{
	(void)key, (void)arena, (void)value_r;
	why_set(why, EAGAIN, NULL, 0, "%s: there is nobody to ask", d->name);
	return DICT_TEMPFAIL;
}

static const struct dict_ops asked_ops = { .get = ask_nobody };

static struct dict *
open_asked(const char *type, const char *name, unsigned flags)
{
	struct dict *d = zalloc(sizeof(*d));

	dict_init(d, &asked_ops, type, name, flags);
	d->remote = true;
	return d;
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
	    has_name(others, COUNT_OF(others), type) ? "not built"
						     : "not known",
	    (int)names.n, names.p);
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
	if (on_ask && !(flags & DICT_OWN) &&
	    has_name(remote, COUNT_OF(remote), type))
		return open_asked(t->name, colon + 1, flags);
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

bool
dict_names_remote(struct span type_and_name)
{
	struct span type = span_cut(&type_and_name, ':');

	return has_name(remote, COUNT_OF(remote), type);
}

bool
dict_may_wait(const struct dict *d)
{
	return d->ops->quick || d->remote;
}

const void *
dict_server(struct dict *d)
{
	return d->ops->server ? d->ops->server(d) : NULL;
}

bool
dict_is_shared(const struct dict *d)
{
	return d->shared;
}

void
dict_tend(void)
{
	conns_tend();
}

void
dict_set_retry(int64_t ms)
{
	conns_set_retry(ms);
}

static pthread_mutex_t conf_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct conf *main_conf;

void
dict_use_conf(const struct conf *c)
{
	pthread_mutex_lock(&conf_lock);
	main_conf = c;
	pthread_mutex_unlock(&conf_lock);
}

const struct conf *
dict_conf_take(void)
{
	pthread_mutex_lock(&conf_lock);
	return main_conf;
}

void
dict_conf_give(void)
{
	pthread_mutex_unlock(&conf_lock);
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
	if (d->remote && on_ask && !(d->flags & DICT_OWN))
		return on_ask(d->name, d->parameter, d->element, key, arena,
		    value_r, why);
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
