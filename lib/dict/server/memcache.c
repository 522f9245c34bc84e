/*
 * memcache: values that memcached keeps for a while, of what another table, its
 * backup, has for good.
 */
#include "base/clock.h"
#include "dict/private.h"
#include "dict/server/conns.h"
#include "dict/server/filter.h"
#include "dict/server/format.h"
#include "dict/server/replies.h"
#include "dict/server/talk.h"

#include <errno.h>
#include <stdlib.h>

enum {
	DATA_MAX = 100 << 10, /* of data_size_limit: what a connection holds */
	LINE_MAX_MAX = 64 << 10,
	KEY_TEXT_MAX = 512, /* memcached has keys of up to 250 bytes */
};

struct memcache {
	struct dict dict;
	struct config *config;
	struct conns *conns;
	struct filter filter;
	struct dict *backup; /* or NULL */
	const char *key_format;
	int64_t flags;
	int64_t ttl; /* seconds */
	int64_t data_limit; /* bytes */
	int64_t line_limit;
	int64_t timeout; /* seconds */
};

struct ask {
	const struct memcache *m;
	struct span key;
	struct span value; /* to be kept there */
	struct buf *text; /* what was found */
	bool found;
};

static int64_t
by(const struct ask *a, int64_t deadline)
{
	int64_t own = clock_mono() + a->m->timeout * 1000;

	return own < deadline ? own : deadline;
}

/* A line, without CR LF. */
static bool
take_line(struct talk *w, const struct ask *a, struct span *line_r,
    int64_t deadline, struct why *why)
{
	if (!talk_until(w, '\n', (size_t)a->m->line_limit, line_r,
		by(a, deadline), why))
		return false;
	if (line_r->n > 0 && line_r->p[line_r->n - 1] == '\r')
		line_r->n--;
	return true;
}

static enum server_result
say_no(struct span line, struct why *why)
{
	why_set(why, EPROTO, NULL, 0, "the server says: %.*s",
	    (int)(line.n < 200 ? line.n : 200), line.p);
	return SERVER_LOST;
}

static enum server_result
find(void *conn, void *arg, int64_t deadline, struct why *why)
{
	struct ask *a = arg;
	char text[KEY_TEXT_MAX];
	struct span line, data;
	uint64_t n = 0;
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "get %.*s\r\n", (int)a->key.n, a->key.p);
	if (!talk_put(conn, buf_span(&b), by(a, deadline), why) ||
	    !take_line(conn, a, &line, deadline, why))
		return SERVER_LOST;
	switch (reply_memcache(line, a->key, (uint64_t)a->m->data_limit, &n)) {
	case REPLY_ABSENT:
		a->found = false;
		return SERVER_DONE;
	case REPLY_FAILED:
	case REPLY_GARBLED:
		return say_no(line, why);
	case REPLY_FOUND:
		break;
	}
	if (!talk_take(conn, n + 2, &data, by(a, deadline), why))
		return SERVER_LOST;
	buf_init(a->text, a->text->storage, DATA_MAX);
	buf_put(a->text, (struct span){ data.p, n });
	a->found = true;
	if (!take_line(conn, a, &line, deadline, why))
		return SERVER_LOST;
	return span_eq(line, SPAN("END")) ? SERVER_DONE : say_no(line, why);
}

static enum server_result
keep(void *conn, void *arg, int64_t deadline, struct why *why)
{
	const struct ask *a = arg;
	char text[KEY_TEXT_MAX];
	struct span line;
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "set %.*s %lld %lld %zu\r\n", (int)a->key.n, a->key.p,
	    (long long)a->m->flags, (long long)a->m->ttl, a->value.n);
	if (!talk_put(conn, buf_span(&b), by(a, deadline), why) ||
	    !talk_put(conn, a->value, by(a, deadline), why) ||
	    !talk_put(conn, SPAN("\r\n"), by(a, deadline), why) ||
	    !take_line(conn, a, &line, deadline, why))
		return SERVER_LOST;
	return span_eq(line, SPAN("STORED")) ? SERVER_DONE : say_no(line, why);
}

/* What memcached does not know, or cannot say. */
static enum dict_result
ask_backup(struct memcache *m, struct ask *a, bool is_there, struct span key,
    struct arena *arena, struct span *value_r, struct why *why)
{
	enum dict_result r = dict_get(m->backup, key, arena, value_r, why);
	struct why ignored;

	if (r != DICT_FOUND || !is_there || value_r->n > (size_t)m->data_limit)
		return r;
	a->value = *value_r;
	(void)!conns_ask(m->conns, keep, a, &ignored);
	return r;
}

static enum dict_result
ask_both(struct memcache *m, struct ask *a, struct span key,
    struct arena *arena, struct span *value_r, struct why *why)
{
	struct why inner;
	bool is_there = conns_ask(m->conns, find, a, &inner);

	if (is_there && a->found && a->text->n > 0)
		return dict_give(buf_span(a->text), arena, value_r, why);
	if (m->backup)
		return ask_backup(m, a, is_there, key, arena, value_r, why);
	if (is_there)
		return DICT_ABSENT;
	why_set(why, EAGAIN, NULL, 0, "%s: %s", m->dict.name, inner.text);
	return DICT_TEMPFAIL;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct memcache *m = container_of(d, struct memcache, dict);
	enum dict_result r = filter_takes(&m->filter, key, why);
	char name[KEY_TEXT_MAX];
	struct buf text, b;
	struct ask a = { .m = m, .text = &text };

	if (r != DICT_FOUND)
		return r;
	buf_init(&b, name, sizeof(name));
	if (format_query(m->key_format, key, NULL, NULL, &b) != FORMAT_PUT ||
	    !memcache_has(buf_span(&b)))
		return DICT_ABSENT;
	a.key = buf_span(&b);
	buf_init(&text, zalloc(DATA_MAX), DATA_MAX);
	r = ask_both(m, &a, key, arena, value_r, why);
	free(text.storage);
	return r;
}

static void
close_it(struct dict *d)
{
	struct memcache *m = container_of(d, struct memcache, dict);

	dict_close(m->backup);
	conns_close(m->conns);
	filter_close(&m->filter);
	config_drop(m->config);
}

static const void *
server(struct dict *d)
{
	return container_of(d, struct memcache, dict)->conns;
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.server = server,
};

static int
read_numbers(struct memcache *m, struct why *why)
{
	const struct {
		const char *name;
		int64_t fallback, max;
		int64_t *to;
	} numbers[] = {
		{ "flags", 0, UINT32_MAX, &m->flags },
		{ "ttl", 3600, INT32_MAX, &m->ttl },
		{ "data_size_limit", 10240, DATA_MAX, &m->data_limit },
		{ "line_size_limit", 1024, LINE_MAX_MAX, &m->line_limit },
		{ "timeout", 2, CONNS_ASK_MS / 1000, &m->timeout },
	};

	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (config_number(m->config, numbers[i].name,
			numbers[i].fallback, numbers[i].max, numbers[i].to,
			why) < 0)
			return -EINVAL;
	return 0;
}

static int
read_config(struct memcache *m, unsigned flags, struct why *why)
{
	const char *backup = config_text(m->config, "backup", "");
	struct why inner;

	m->key_format = config_text(m->config, "key_format", "%s");
	if (format_check(m->key_format, &inner) < 0)
		return config_complain(m->config, "key_format", inner.text,
		    why);
	if (read_numbers(m, why) < 0 ||
	    filter_open(&m->filter, m->config, why) < 0)
		return -EINVAL;
	if (*backup && !(m->backup = dict_open(backup, flags, &inner)))
		return config_complain(m->config, "backup", inner.text, why);
	m->conns = conns_open("memcache", &talk_link, m->config,
	    config_text(m->config, "memcache", "inet:localhost:11211"));
	return 0;
}

struct dict *
memcache_open(const char *name, unsigned flags, struct why *why)
{
	struct memcache *m = zalloc(sizeof(*m));
	const struct stat *st;

	dict_init(&m->dict, &ops, "memcache", name, flags);
	m->dict.remote = true;
	m->config = config_open("memcache", name, why);
	if (!m->config || read_config(m, flags, why) < 0)
		return dict_close(&m->dict);
	m->dict.shared = !m->backup || dict_is_shared(m->backup);
	if (config_file(m->config, &st))
		dict_watch(&m->dict, config_file(m->config, &st), st);
	return &m->dict;
}
