/*
 * pgsql:, mysql: and sqlite: a query with the key in it, whose fields are the
 * value. What is one server's own is in its module; here is what is the same.
 */
#include "dict/private.h"
#include "dict/server/conns.h"
#include "dict/server/filter.h"
#include "dict/server/format.h"
#include "dict/server/module.h"
#include "dict/server/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SQL_MAX = 64 << 10, /* bytes of a query with its key */
};

struct sql {
	struct dict dict;
	const struct sql_driver *driver;
	struct config *config;
	struct conns *conns;
	struct filter filter;
	char *query;
};

/* A question under way. */
struct ask {
	const struct sql *sql;
	struct span key;
	char *text; /* SQL_MAX */
	struct values *values;
	bool suppressed; /* nothing is asked for such a key */
};

struct quoting {
	const struct sql_driver *driver;
	void *conn;
};

static bool
quote(struct span text, struct buf *out, void *arg)
{
	const struct quoting *q = arg;
	size_t n;
	char *escaped = zalloc(2 * text.n + 1);
	bool ok = q->driver->escape(q->conn, text, escaped, &n);

	if (ok)
		buf_put(out, (struct span){ escaped, n });
	free(escaped);
	return ok;
}

static bool
take_field(struct span field, void *arg)
{
	return values_add(arg, field);
}

static enum server_result
ask_by(void *conn, void *arg, int64_t deadline, struct why *why)
{
	struct ask *a = arg;
	struct quoting q = { a->sql->driver, conn };
	struct buf b;

	values_reset(a->values);
	buf_init(&b, a->text, SQL_MAX - 1);
	switch (format_query(a->sql->query, a->key, quote, &q, &b)) {
	case FORMAT_SKIPPED:
		a->suppressed = true;
		return SERVER_DONE;
	case FORMAT_FAILED:
		why_set(why, EINVAL, NULL, 0,
		    "the key cannot be said in a query");
		return SERVER_REFUSED;
	case FORMAT_PUT:
		break;
	}
	a->text[b.n] = '\0';
	return a->sql->driver->query(conn, a->text, take_field, a->values,
	    deadline, why);
}

/* Whether there is anything to ask at all, which needs no connection. */
static bool
is_asked(const struct sql *s, struct span key, char *text)
{
	struct buf b;

	buf_init(&b, text, SQL_MAX - 1);
	return utf8_is_valid(key) &&
	    format_query(s->query, key, NULL, NULL, &b) != FORMAT_SKIPPED;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	const struct sql *s = container_of(d, struct sql, dict);
	enum dict_result r = filter_takes(&s->filter, key, why);
	struct values v CLEANUP(values_fini) = { 0 };
	struct ask a = { .sql = s, .key = key, .values = &v };
	struct why inner;

	if (r != DICT_FOUND)
		return r;
	values_init(&v, &s->filter, d->name, key);
	a.text = zalloc(SQL_MAX);
	if (!is_asked(s, key, a.text)) {
		r = DICT_ABSENT;
	} else if (!conns_ask(s->conns, ask_by, &a, &inner)) {
		why_set(why, EAGAIN, NULL, 0, "%s: %s", d->name, inner.text);
		r = DICT_TEMPFAIL;
	} else {
		r = a.suppressed ? DICT_ABSENT
				 : values_give(&v, arena, value_r, why);
	}
	free(a.text);
	return r;
}

static void
close_it(struct dict *d)
{
	struct sql *s = container_of(d, struct sql, dict);

	conns_close(s->conns);
	filter_close(&s->filter);
	free(s->query);
	config_drop(s->config);
}

static const void *
server(struct dict *d)
{
	return container_of(d, struct sql, dict)->conns;
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.server = server,
};

static char *
joined(const char *const parts[], size_t n)
{
	size_t size = 1;
	char *text;
	struct buf b;

	for (size_t i = 0; i < n; i++)
		size += strlen(parts[i]);
	text = zalloc(size);
	buf_init(&b, text, size - 1);
	for (size_t i = 0; i < n; i++)
		buf_put(&b, span_str(parts[i]));
	return text;
}

/* In the forms before Postfix 2.2, of which `query` made an end. */
static char *
old_query(const struct config *c)
{
	const char *function = config_get(c, "select_function");
	const char *field = config_get(c, "select_field");
	const char *table = config_get(c, "table");
	const char *where = config_get(c, "where_field");
	const char *more = config_text(c, "additional_conditions", "");

	if (function) {
		const char *parts[] = { "SELECT ", function, "('%s')" };

		return joined(parts, COUNT_OF(parts));
	}
	if (!field || !table || !where)
		return NULL;

	const char *parts[] = { "SELECT ", field, " FROM ", table, " WHERE ",
		where, " = '%s' ", more };

	return joined(parts, COUNT_OF(parts));
}

static int
read_query(struct sql *s, struct why *why)
{
	const char *query = config_get(s->config, "query");
	struct why inner;

	s->query = query ? joined(&query, 1) : old_query(s->config);
	if (!s->query)
		return config_complain(s->config, "query",
		    "is missing, and so are select_field, table and "
		    "where_field of old",
		    why);
	if (format_check(s->query, &inner) < 0)
		return config_complain(s->config, "query", inner.text, why);
	return 0;
}

/* Whom it asks: a file, or hosts. */
static const char *
hosts_of(const struct config *c, const char *type)
{
	if (strcmp(type, "sqlite") == 0)
		return config_get(c, "dbpath");
	return config_text(c, "hosts", "localhost");
}

static int
open_all(struct sql *s, const char *type, struct why *why)
{
	const struct dict_module *m = module_load(type, why);
	const char *hosts = hosts_of(s->config, type);

	if (!m)
		return -EINVAL;
	if (!hosts || !*hosts)
		return config_complain(s->config,
		    strcmp(type, "sqlite") == 0 ? "dbpath" : "hosts",
		    "is missing", why);
	if (read_query(s, why) < 0 ||
	    filter_open(&s->filter, s->config, why) < 0)
		return -EINVAL;
	s->driver = m->sql;
	s->conns = conns_open(type, &m->sql->link, s->config, hosts);
	return 0;
}

static struct dict *
sql_open(const char *type, const char *name, unsigned flags, struct why *why)
{
	struct sql *s = zalloc(sizeof(*s));
	const struct stat *st;
	const char *file;

	dict_init(&s->dict, &ops, type, name, flags);
	s->dict.remote = true;
	s->dict.shared = true;
	s->config = config_open(type, name, why);
	if (!s->config || open_all(s, type, why) < 0)
		return dict_close(&s->dict);
	file = config_file(s->config, &st);
	if (file)
		dict_watch(&s->dict, file, st);
	if (strcmp(type, "sqlite") == 0)
		dict_tell_file(hosts_of(s->config, type), st);
	return &s->dict;
}

struct dict *
pgsql_open(const char *name, unsigned flags, struct why *why)
{
	return sql_open("pgsql", name, flags, why);
}

struct dict *
mysql_open(const char *name, unsigned flags, struct why *why)
{
	return sql_open("mysql", name, flags, why);
}

struct dict *
sqlite_open(const char *name, unsigned flags, struct why *why)
{
	return sql_open("sqlite", name, flags, why);
}
