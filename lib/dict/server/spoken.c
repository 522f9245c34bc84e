#include "dict/server/spoken.h"

#include "dict/private.h"
#include "dict/server/conns.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TEXT_MAX = SOCKETMAP_MAX + 1,
};

struct spoken {
	struct dict dict;
	struct conns *conns;
	char *host; /* and, behind its NUL, the name */
	struct span name;
	const struct spoken_kind *kind;
};

struct job {
	const struct spoken *spoken;
	struct spoken_ask ask;
};

static enum server_result
ask_by(void *conn, void *arg, int64_t deadline, struct why *why)
{
	struct job *j = arg;

	const struct spoken_kind *kind = j->spoken->kind;
	size_t size = j->ask.name.n + 3 * j->ask.key.n + 32;
	struct buf b;
	bool sent;

	buf_init(j->ask.text, j->ask.text->storage, TEXT_MAX);
	buf_init(&b, zalloc(size), size);
	kind->put(&b, &j->ask);
	sent = talk_put(conn, buf_span(&b), deadline, why);
	free(b.storage);
	return sent ? kind->hear(conn, &j->ask, deadline, why) : SERVER_LOST;
}

static enum dict_result
result_of(const struct dict *d, const struct spoken_ask *a, struct arena *arena,
    struct span *value_r, struct why *why)
{
	switch (a->reply) {
	case REPLY_FOUND:
		if (a->text->n > 0)
			return dict_give(buf_span(a->text), arena, value_r,
			    why);
		return DICT_ABSENT;
	case REPLY_ABSENT:
		return DICT_ABSENT;
	case REPLY_FAILED:
	case REPLY_GARBLED:
		break;
	}
	why_set(why, EAGAIN, NULL, 0, "%s: the server says: %.*s", d->name,
	    (int)(a->text->n < 200 ? a->text->n : 200), a->text->p);
	return DICT_TEMPFAIL;
}

static enum dict_result
get(struct dict *d, struct span key, struct arena *arena, struct span *value_r,
    struct why *why)
{
	struct spoken *s = container_of(d, struct spoken, dict);
	struct buf text;
	struct job j = {
		.spoken = s,
		.ask = { .name = s->name, .key = key, .text = &text },
	};
	enum dict_result r = DICT_TEMPFAIL;
	struct why inner;

	buf_init(&text, zalloc(TEXT_MAX), TEXT_MAX);
	if (conns_ask(s->conns, ask_by, &j, &inner))
		r = result_of(d, &j.ask, arena, value_r, why);
	else
		why_set(why, EAGAIN, NULL, 0, "%s: %s", d->name, inner.text);
	free(text.storage);
	return r;
}

static void
close_it(struct dict *d)
{
	struct spoken *s = container_of(d, struct spoken, dict);

	conns_close(s->conns);
	free(s->host);
}

static const void *
server(struct dict *d)
{
	return container_of(d, struct spoken, dict)->conns;
}

static const struct dict_ops ops = {
	.get = get,
	.close = close_it,
	.server = server,
};

/* The host is all before the last colon, where there is a name behind. */
static int
take_apart(struct spoken *s, const char *text, struct why *why)
{
	size_t n = strlen(text);
	char *colon;

	s->host = zalloc(n + 1);
	memcpy(s->host, text, n);
	if (!s->kind->has_name)
		return 0;
	colon = strrchr(s->host, ':');
	if (!colon || colon == s->host || colon[1] == '\0')
		return why_set(why, EINVAL, NULL, 0,
		    "%s: allowed is socketmap:inet:host:port:name or "
		    "socketmap:unix:/path:name",
		    s->dict.name);
	*colon = '\0';
	s->name = span_str(colon + 1);
	return 0;
}

struct dict *
spoken_open(const struct spoken_kind *kind, const char *text, unsigned flags,
    struct why *why)
{
	struct spoken *s = zalloc(sizeof(*s));

	dict_init(&s->dict, &ops, kind->type, text, flags);
	s->dict.remote = true;
	s->dict.shared = true;
	s->kind = kind;
	if (take_apart(s, text, why) < 0)
		return dict_close(&s->dict);
	s->conns = conns_open(kind->type, &talk_link, NULL, s->host);
	return &s->dict;
}
