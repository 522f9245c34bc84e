/*
 * ldap: a directory is searched for the key; values of the entries that are found
 * are the value. An attribute may name other entries, which are then read, too.
 * What speaks to the server is in the module.
 */
#include "dict/private.h"
#include "dict/server/conns.h"
#include "dict/server/filter.h"
#include "dict/server/format.h"
#include "dict/server/ldap_quote.h"
#include "dict/server/module.h"
#include "dict/server/utf8.h"

#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TEXT_MAX = 16 << 10, /* bytes of a base or filter with its key */
	ATTRIBUTES_MAX = 64,
	RECURSION_MAX = 1000,
	MEMORY_MAX = 4 << 20, /* of all that was found for one key */
};

/* In this order in ->names. */
enum kind {
	KIND_TERMINAL, /* if an entry has one, nothing else of it counts */
	KIND_LEAF, /* counts in entries that name no others */
	KIND_PLAIN,
	KIND_SPECIAL, /* names other entries */
	KINDS,
};

struct ldap {
	struct dict dict;
	const struct ldap_driver *driver;
	struct config *config;
	struct conns *conns;
	struct filter filter;
	const char *base;
	const char *query;
	int scope;
	int64_t recursion_limit;
	int64_t size_limit;
	struct arena *arena; /* of the names */
	size_t n;
	const char *names[ATTRIBUTES_MAX + 1];
	enum kind kinds[ATTRIBUTES_MAX];
};

/* A value that was found; an entry begins with one of no name. */
struct found {
	struct found *next;
	size_t attribute;
	bool begins;
	struct span value;
};

struct search {
	const struct ldap *ldap;
	void *conn;
	int64_t deadline;
	struct span key;
	struct values *values;
	struct arena *arena;
	int64_t depth;
	int64_t entries; /* of them all */
	bool suppressed;
	bool full; /* there is more than what anybody wants */
	struct found **end; /* of the list that is being made */
};

static enum server_result
too_many(const struct search *s, const char *what, int64_t limit,
    struct why *why)
{
	why_set(why, EMSGSIZE, NULL, 0, "more than %lld %s for \"%.*s\"",
	    (long long)limit, what, (int)(s->key.n < 100 ? s->key.n : 100),
	    s->key.p);
	return SERVER_REFUSED;
}

static bool
find_attribute(const struct ldap *l, const char *name, size_t *i_r)
{
	for (size_t i = 0; i < l->n; i++)
		if (span_ieq(span_str(l->names[i]), span_str(name))) {
			*i_r = i;
			return true;
		}
	return false;
}

static bool
take_value(const char *attribute, struct span value, void *arg)
{
	struct search *s = arg;
	struct found *f;
	size_t i = 0;

	if (attribute && !find_attribute(s->ldap, attribute, &i))
		return true;
	f = ARENA_NEW(s->arena, struct found);
	if (f && attribute) {
		f->value = (struct span){ arena_dup(s->arena, value), value.n };
		f->attribute = i;
	}
	s->full = !f || (attribute && !f->value.p);
	if (s->full)
		return false;
	f->begins = !attribute;
	*s->end = f;
	s->end = &f->next;
	return true;
}

static enum server_result follow(struct search *s, struct span name,
    struct why *why);

static bool
has_kind(const struct ldap *l, const struct found *from, enum kind kind)
{
	for (const struct found *f = from; f && !f->begins; f = f->next)
		if (l->kinds[f->attribute] == kind && f->value.n > 0)
			return true;
	return false;
}

/* What one entry has; `from` is its first value. */
static enum server_result
take_entry(struct search *s, const struct found *from, struct why *why)
{
	bool is_terminal = has_kind(s->ldap, from, KIND_TERMINAL);
	bool is_leaf = !has_kind(s->ldap, from, KIND_SPECIAL);
	enum server_result r = SERVER_DONE;

	for (const struct found *f = from; r == SERVER_DONE && f && !f->begins;
	     f = f->next) {
		enum kind kind = s->ldap->kinds[f->attribute];

		if (is_terminal ? kind != KIND_TERMINAL
				: kind == KIND_LEAF && !is_leaf)
			continue;
		if (kind == KIND_SPECIAL)
			r = follow(s, f->value, why);
		else if (!values_add(s->values, f->value))
			break;
	}
	return r;
}

static enum server_result
run(struct search *s, const struct ldap_search *what, struct why *why)
{
	struct found *first = NULL;
	enum server_result r;

	if (++s->depth > s->ldap->recursion_limit)
		return too_many(s, "steps (recursion_limit)",
		    s->ldap->recursion_limit, why);
	s->end = &first;
	r = s->ldap->driver->search(s->conn, what, take_value, s, s->deadline,
	    why);
	if (r == SERVER_DONE && s->full)
		r = too_many(s, "bytes", MEMORY_MAX, why);
	for (struct found *f = first; r == SERVER_DONE && f; f = f->next) {
		if (!f->begins || s->values->failed)
			continue;
		if (s->ldap->size_limit > 0 &&
		    ++s->entries > s->ldap->size_limit)
			return too_many(s, "entries (size_limit)",
			    s->ldap->size_limit, why);
		r = take_entry(s, f->next, why);
	}
	s->depth--;
	return r;
}

/* What a value names: an entry by its name, or what an URL searches for. */
static enum server_result
follow(struct search *s, struct span name, struct why *why)
{
	struct ldap_search what = {
		.base = name.p, /* arena_dup() ended it */
		.filter = "(objectClass=*)",
		.attributes = s->ldap->names,
		.size_limit = s->ldap->size_limit,
	};

	return run(s, &what, why);
}

/* Base and filter with the key in them. */
static enum format_result
expand(const struct search *s, char *base, char *filter)
{
	struct buf b, f;
	enum format_result r;

	buf_init(&b, base, TEXT_MAX - 1);
	buf_init(&f, filter, TEXT_MAX - 1);
	r = format_query(s->ldap->base, s->key, ldap_quote_name, NULL, &b);
	if (r == FORMAT_PUT)
		r = format_query(s->ldap->query, s->key, ldap_quote_filter,
		    NULL, &f);
	base[b.n] = '\0';
	filter[f.n] = '\0';
	return r;
}

static enum server_result
ask_by(void *conn, void *arg, int64_t deadline, struct why *why)
{
	struct search *s = arg;
	char *base = zalloc(2 * (size_t)TEXT_MAX), *filter = base + TEXT_MAX;
	struct ldap_search what = {
		.base = base,
		.filter = filter,
		.scope = s->ldap->scope,
		.attributes = s->ldap->names,
		.size_limit = s->ldap->size_limit,
	};
	enum server_result r = SERVER_DONE;

	values_reset(s->values);
	arena_reset(s->arena);
	s->conn = conn;
	s->deadline = deadline;
	s->depth = s->entries = 0;
	switch (expand(s, base, filter)) {
	case FORMAT_PUT:
		r = run(s, &what, why);
		break;
	case FORMAT_SKIPPED:
		s->suppressed = true;
		break;
	case FORMAT_FAILED:
		why_set(why, EINVAL, NULL, 0, "the key is too long");
		r = SERVER_REFUSED;
		break;
	}
	free(base);
	return r;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	const struct ldap *l = container_of(d, struct ldap, dict);
	enum dict_result r = filter_takes(&l->filter, key, why);
	struct arena *own CLEANUP(arena_freep) = arena_new(MEMORY_MAX);
	struct values v CLEANUP(values_fini) = { 0 };
	struct search s = { .ldap = l, .key = key, .values = &v, .arena = own };
	struct why inner;

	if (r != DICT_FOUND)
		return r;
	if (!utf8_is_valid(key))
		return DICT_ABSENT;
	values_init(&v, &l->filter, d->name, key);
	if (!conns_ask(l->conns, ask_by, &s, &inner)) {
		why_set(why, EAGAIN, NULL, 0, "%s: %s", d->name, inner.text);
		return DICT_TEMPFAIL;
	}
	return s.suppressed ? DICT_ABSENT
			    : values_give(&v, arena, value_r, why);
}

static void
close_it(struct dict *d)
{
	struct ldap *l = container_of(d, struct ldap, dict);

	conns_close(l->conns);
	filter_close(&l->filter);
	arena_free(l->arena);
	config_drop(l->config);
}

static const void *
server(struct dict *d)
{
	return container_of(d, struct ldap, dict)->conns;
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.server = server,
};

static int
read_names(struct ldap *l, enum kind kind, const char *parameter,
    const char *fallback, struct why *why)
{
	struct span rest = span_str(
	    config_text(l->config, parameter, fallback));
	struct span name;

	while (conf_list_next(&rest, &name)) {
		const char *text = arena_dup(l->arena, name);

		if (l->n == ATTRIBUTES_MAX || !text)
			return config_complain(l->config, parameter,
			    "too many attributes", why);
		l->kinds[l->n] = kind;
		l->names[l->n++] = text;
	}
	return 0;
}

static int
read_scope(struct ldap *l, struct why *why)
{
	static const char *const words[] = { "base", "one", "sub" };
	const char *text = config_text(l->config, "scope", "sub");

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(text, words[i]) == 0) {
			l->scope = (int)i;
			return 0;
		}
	return config_complain(l->config, "scope",
	    "allowed is one of: base, one, sub", why);
}

static int
read_search(struct ldap *l, struct why *why)
{
	struct why inner;

	l->base = config_text(l->config, "search_base", "");
	l->query = config_text(l->config, "query_filter",
	    "(mailacceptinggeneralid=%s)");
	if (format_check(l->base, &inner) < 0)
		return config_complain(l->config, "search_base", inner.text,
		    why);
	if (format_check(l->query, &inner) < 0)
		return config_complain(l->config, "query_filter", inner.text,
		    why);
	if (config_number(l->config, "recursion_limit", RECURSION_MAX,
		RECURSION_MAX, &l->recursion_limit, why) < 0 ||
	    filter_open(&l->filter, l->config, why) < 0 ||
	    config_number(l->config, "size_limit", l->filter.expansion_limit,
		INT32_MAX, &l->size_limit, why) < 0)
		return -EINVAL;
	return read_scope(l, why);
}

static int
read_attributes(struct ldap *l, struct why *why)
{
	static const struct {
		const char *parameter;
		const char *fallback;
	} rows[KINDS] = {
		[KIND_TERMINAL] = { "terminal_result_attribute", "" },
		[KIND_LEAF] = { "leaf_result_attribute", "" },
		[KIND_PLAIN] = { "result_attribute", "maildrop" },
		[KIND_SPECIAL] = { "special_result_attribute", "" },
	};

	for (size_t i = 0; i < KINDS; i++)
		if (read_names(l, (enum kind)i, rows[i].parameter,
			rows[i].fallback, why) < 0)
			return -EINVAL;
	return 0;
}

struct dict *
ldap_open(const char *name, unsigned flags, struct why *why)
{
	struct ldap *l = zalloc(sizeof(*l));
	const struct dict_module *m;
	const struct stat *st;

	dict_init(&l->dict, &ops, "ldap", name, flags);
	l->dict.remote = true;
	l->dict.shared = true;
	l->arena = arena_new(1 << 16);
	l->config = config_open("ldap", name, why);
	if (!l->config || read_search(l, why) < 0 ||
	    read_attributes(l, why) < 0 || !(m = module_load("ldap", why)))
		return dict_close(&l->dict);
	l->driver = m->ldap;
	l->conns = conns_open("ldap", &m->ldap->link, l->config,
	    config_text(l->config, "server_host", "localhost"));
	if (config_file(l->config, &st))
		dict_watch(&l->dict, config_file(l->config, &st), st);
	return &l->dict;
}
