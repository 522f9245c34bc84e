#include "conf/conf.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/scan.h"
#include "conf/defaults.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "conf/params.h"
#include "conf/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CONF_MEMORY_MAX = 256 << 20, /* what one process keeps of main.cf */
	NETWORKS_SIZE = 64 << 10,
	REMARK_SIZE = 512,
	HOSTNAME_SIZE = 512,
};

/* A name that is set. */
struct entry {
	struct hash_link in_names;
	struct link in_order;
	struct span name;
	const char *raw;
	const char *file;
	unsigned line;
};

/* What was odd about main.cf, and no error. */
struct remark {
	struct link link;
	const char *text;
};

/* What was once worked out is kept. */
struct cached {
	struct hash_link in_cache;
	struct span name;
	const char *expanded;
};

/* What grows while a struct conf, which is const, is asked. */
struct cache {
	struct arena *arena;
	struct hash values;
	const char *hostname;
	const char *domain;
	const char *networks;
	const char *number; /* of this process */
	bool in_domain; /* the domain is being worked out */
};

struct conf {
	struct arena *arena;
	const char *dir;
	struct hash names;
	struct link order;
	struct link remarks;
	struct cache *cache;
};

static struct span
entry_key(struct hash_link *l)
{
	return container_of(l, struct entry, in_names)->name;
}

static struct span
cached_key(struct hash_link *l)
{
	return container_of(l, struct cached, in_cache)->name;
}

static char *
dup_in(struct arena *a, struct span s)
{
	char *copy = arena_dup(a, s);

	if (!copy)
		die("main.cf: more than %d bytes", CONF_MEMORY_MAX);
	return copy;
}

static struct entry *
find_entry(const struct conf *c, struct span name)
{
	struct hash_link *l = hash_find(&c->names, name);

	return l ? container_of(l, struct entry, in_names) : NULL;
}

static void remark(struct conf *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
remark(struct conf *c, const char *fmt, ...)
{
	struct remark *r = ARENA_NEW(c->arena, struct remark);
	char text[REMARK_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!r)
		return;
	r->text = dup_in(c->arena, span_str(text));
	list_append(&c->remarks, &r->link);
}

/* The last one wins, and keeps the place of the first. */
static void
set(struct conf *c, struct span name, struct span value, const char *file,
    unsigned line)
{
	struct entry *e = find_entry(c, name);

	if (!e) {
		e = ARENA_NEW(c->arena, struct entry);
		if (!e)
			die("main.cf: more than %d bytes", CONF_MEMORY_MAX);
		e->name = (struct span){ dup_in(c->arena, name), name.n };
		hash_add(&c->names, &e->in_names);
		list_append(&c->order, &e->in_order);
	} else if (line > 0) {
		remark(c, "%s/%s, line %u: overriding earlier entry: %s=%s",
		    c->dir, file, line, e->name.p, e->raw);
	}
	e->raw = dup_in(c->arena, value);
	e->file = file;
	e->line = line;
}

static int
read_main_cf(struct conf *c, struct why *why)
{
	char path[CONF_PATH_MAX];
	struct lines lines;
	char *text = NULL;
	struct span line;
	unsigned number;
	int error;

	snprintf(path, sizeof(path), "%s/main.cf", c->dir);
	error = lines_read(path, &lines, &text, why);
	while (!error && lines_next(&lines, &line, &number)) {
		struct span name;
		struct span value;

		if (is_white(*line.p)) {
			remark(c,
			    "%s/main.cf: logical line must not start with "
			    "whitespace: \"%.*s\"",
			    c->dir, (int)(line.n < 60 ? line.n : 60), line.p);
			continue;
		}
		error = lines_split(line, "main.cf", number, &name, &value,
		    why);
		if (!error)
			set(c, name, value, "main.cf", number);
	}
	free(text);
	return error;
}

/* As of -o: name=value, or { name = value }. */
static int
override(struct conf *c, const char *text, struct why *why)
{
	struct span s = trim_white(span_str(text));
	struct span name;
	struct span value;
	int error;

	if (s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}')
		s = (struct span){ s.p + 1, s.n - 2 };
	error = lines_split(s, "-o", 0, &name, &value, why);
	if (!error)
		set(c, name, value, "-o", 0);
	return error;
}

struct conf *
conf_new(const char *dir)
{
	struct conf *c = zalloc(sizeof(*c));

	c->arena = arena_new(CONF_MEMORY_MAX);
	c->cache = zalloc(sizeof(*c->cache));
	c->cache->arena = arena_new(CONF_MEMORY_MAX);
	hash_init(&c->names, entry_key);
	hash_init(&c->cache->values, cached_key);
	list_init(&c->order);
	list_init(&c->remarks);
	c->dir = dup_in(c->arena, span_str(dir));
	(void)param_at(0); /* sorts the table, before there are threads */
	return c;
}

struct conf *
conf_load(const char *dir, const char *const *overrides, size_t n,
    struct why *why)
{
	struct conf *c = conf_new(dir);
	int error = read_main_cf(c, why);

	for (size_t i = 0; !error && i < n; i++)
		error = override(c, overrides[i], why);
	if (error)
		c = conf_free(c);
	return c;
}

struct conf *
conf_free(struct conf *c)
{
	if (!c)
		return NULL;
	hash_fini(&c->names);
	hash_fini(&c->cache->values);
	arena_free(c->cache->arena);
	arena_free(c->arena);
	free(c->cache);
	free(c);
	return NULL;
}

const char *
conf_dir(const struct conf *c)
{
	return c->dir;
}

static const char *
own_hostname(const struct conf *c)
{
	char storage[HOSTNAME_SIZE];
	struct buf b;

	if (!c->cache->hostname) {
		buf_init(&b, storage, sizeof(storage));
		defaults_hostname(&b);
		c->cache->hostname = dup_in(c->cache->arena, buf_span(&b));
	}
	return c->cache->hostname;
}

/* Of myhostname; of the machine's own name if that asks for the domain itself. */
static const char *
own_domain(const struct conf *c)
{
	struct cache *cache = c->cache;
	const char *host = NULL;
	struct why why;

	if (cache->domain)
		return cache->domain;
	if (!cache->in_domain) {
		cache->in_domain = true;
		host = conf_get(c, "myhostname", &why);
		cache->in_domain = false;
	}
	cache->domain = dup_in(cache->arena,
	    defaults_domain(span_str(host ? host : own_hostname(c))));
	return cache->domain;
}

static const char *
own_networks(const struct conf *c)
{
	struct why why;
	const char *style = conf_get(c, "mynetworks_style", &why);
	char *storage;
	struct buf b;

	if (c->cache->networks)
		return c->cache->networks;
	storage = zalloc(NETWORKS_SIZE);
	buf_init(&b, storage, NETWORKS_SIZE);
	defaults_networks(!style || strcmp(style, "host") == 0 ? DEFAULTS_HOST
		: strcmp(style, "class") == 0                  ? DEFAULTS_CLASS
					      : DEFAULTS_SUBNET,
	    &b);
	c->cache->networks = dup_in(c->cache->arena, buf_span(&b));
	free(storage);
	return c->cache->networks;
}

static const char *
own_number(const struct conf *c)
{
	char text[24];

	if (!c->cache->number) {
		snprintf(text, sizeof(text), "%d", (int)getpid());
		c->cache->number = dup_in(c->cache->arena, span_str(text));
	}
	return c->cache->number;
}

/* The default: of the table, or what this machine and process know. */
static const char *
fallback_of(const struct conf *c, const struct param *p)
{
	if (strcmp(p->name, "myhostname") == 0)
		return own_hostname(c);
	if (strcmp(p->name, "mydomain") == 0)
		return own_domain(c);
	if (strcmp(p->name, "mynetworks") == 0)
		return own_networks(c);
	if (strcmp(p->name, "process_name") == 0)
		return program_invocation_short_name;
	if (strcmp(p->name, "process_id") == 0)
		return own_number(c);
	return p->fallback;
}

const char *
conf_default(const struct conf *c, const char *name)
{
	struct span s = span_str(name);
	const struct param *p = param_find(s);

	if (p)
		return fallback_of(c, p);
	return param_inherited_value(s);
}

static const char *
raw_of(const struct conf *c, struct span name)
{
	const struct entry *e = find_entry(c, name);
	const struct param *p = e ? NULL : param_find(name);

	if (span_eq(name, SPAN("config_directory")))
		return c->dir;
	if (e)
		return e->raw;
	if (p)
		return fallback_of(c, p);
	return param_inherited_value(name);
}

const char *
conf_raw(const struct conf *c, const char *name)
{
	return raw_of(c, span_str(name));
}

static const char *
look_up(void *arg, struct span name)
{
	const struct conf *const *c = arg;

	return raw_of(*c, name);
}

static int
expand_into(const struct conf *c, struct span text, struct span name,
    struct arena *a, char **text_r, struct why *why)
{
	char *storage = NULL;
	struct buf out;
	int error;

	*text_r = NULL;
	if (text.n > 0 && memchr(text.p, '$', text.n)) {
		storage = zalloc(EXPAND_VALUE_MAX);
		buf_init(&out, storage, EXPAND_VALUE_MAX);
		error = expand(text, name, look_up, &c, &out, why);
		if (!error && out.overflow)
			error = why_set(why, EINVAL, NULL, 0,
			    "longer than %d bytes when expanded",
			    EXPAND_VALUE_MAX);
		text = buf_span(&out);
	} else {
		error = 0;
	}
	if (!error) {
		*text_r = arena_dup(a, text);
		if (!*text_r)
			error = why_set(why, ENOMEM, NULL, 0, "too long");
	}
	free(storage);
	return error;
}

int
conf_blame(const struct conf *c, const char *name, const struct why *inner,
    struct why *why)
{
	const char *file = NULL;
	unsigned line = 0;

	conf_source(c, name, &file, &line);
	return why_set(why, EINVAL, file, line, "%s", inner->text);
}

const char *
conf_get(const struct conf *c, const char *name, struct why *why)
{
	struct cache *cache = c->cache;
	struct hash_link *l = hash_find(&cache->values, span_str(name));
	const char *raw;
	struct why inner;
	char *text;

	if (l)
		return container_of(l, struct cached, in_cache)->expanded;
	raw = conf_raw(c, name);
	if (!raw || !*raw)
		return "";
	if (expand_into(c, span_str(raw), span_str(name), cache->arena, &text,
		&inner) < 0) {
		struct why named;

		(void)why_set(&named, EINVAL, NULL, 0, "%s: %s", name,
		    inner.text);
		(void)conf_blame(c, name, &named, why);
		return NULL;
	}

	struct cached *v = ARENA_NEW(cache->arena, struct cached);

	if (!v)
		die("main.cf: more than %d bytes", CONF_MEMORY_MAX);
	v->name.p = dup_in(cache->arena, span_str(name));
	v->name.n = strlen(name);
	v->expanded = text;
	hash_add(&cache->values, &v->in_cache);
	return text;
}

char *
conf_expand(const struct conf *c, struct span text, struct arena *a,
    struct why *why)
{
	char *out;

	(void)expand_into(c, text, (struct span){ "", 0 }, a, &out, why);
	return out;
}

bool
conf_source(const struct conf *c, const char *name, const char **file_r,
    unsigned *line_r)
{
	const struct entry *e = find_entry(c, span_str(name));
	const struct param *p = e ? NULL : param_find(span_str(name));
	struct span other;

	if (p && p->fallback[0] == '$') {
		other = span_str(p->fallback + 1);
		e = find_entry(c, other); /* NULL if there is more in it */
	}
	if (!e)
		return false;
	*file_r = e->file;
	*line_r = e->line;
	return true;
}

const char *
conf_set_value(const struct conf *c, struct span name)
{
	const struct entry *e = find_entry(c, name);

	return e ? e->raw : NULL;
}

void
conf_each(const struct conf *c, conf_name_fn *fn, void *arg)
{
	for (struct link *l = c->order.next; l != &c->order; l = l->next) {
		struct entry *e = container_of(l, struct entry, in_order);

		fn(e->name.p, e->raw, arg);
	}
}

void
conf_each_remark(const struct conf *c, void (*fn)(const char *text, void *arg),
    void *arg)
{
	for (struct link *l = c->remarks.next; l != &c->remarks; l = l->next)
		fn(container_of(l, struct remark, link)->text, arg);
}

const char *
conf_find_dir(const char *dir)
{
	const char *env = getenv("MAIL_CONFIG");

	return dir ? dir : env && *env ? env : CONF_CONFIG_DIR;
}

bool
conf_list_next(struct span *rest, struct span *element_r)
{
	size_t level = 0;
	size_t n = 0;

	while (rest->n > 0 && (*rest->p == ',' || is_white(*rest->p))) {
		rest->p++;
		rest->n--;
	}
	for (; n < rest->n; n++) {
		char c = rest->p[n];

		if (c == '{')
			level++;
		else if (c == '}' && level > 0)
			level--;
		else if (level == 0 && (c == ',' || is_white(c)))
			break;
	}
	*element_r = (struct span){ rest->p, n };
	rest->p += n;
	rest->n -= n;
	if (n >= 2 && element_r->p[0] == '{' && element_r->p[n - 1] == '}')
		*element_r = trim_white(
		    (struct span){ element_r->p + 1, n - 2 });
	return n > 0;
}

bool
conf_list_has(const char *list, const char *word)
{
	struct span rest = span_str(list), element;

	while (conf_list_next(&rest, &element))
		if (span_ieq(element, span_str(word)))
			return true;
	return false;
}
